"""A frame's journey on real Kubo, pinning and detector."""

from tests.dashboard_gateway.receiving.centre import Centre
from tests.support.polling import Eventually


async def test_frame_is_pinned_analysed_and_recorded(
    centre: Centre, photo: bytes, eventually: Eventually
) -> None:
    camera = await centre.enrol()
    cid = await centre.capture(photo)
    answer = await camera.send(camera.frame(photo))
    assert answer.status == 202

    async def detected() -> bool:
        return await centre.states() == [("pinned", "detected")]

    await eventually(detected, 30)
    assert await centre.hub.is_pinned(cid)
    (row,) = await centre.frames()
    print(row)
