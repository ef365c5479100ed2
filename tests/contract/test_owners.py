"""Owners: whose bytes they are, as one text."""

import pytest

from pinhole.contract.owners import InvalidOwner, Owner


def test_an_owner_is_a_camera_of_a_site_or_a_token() -> None:
    camera = Owner.camera("harbour", "gate-a")
    assert str(camera) == camera.text == "camera:harbour/gate-a"
    assert camera.as_camera == ("harbour", "gate-a")
    token = Owner.token("n8n at the office")
    assert token.text == "token:n8n at the office"
    assert token.as_camera is None
    assert Owner.parse(camera.text) == camera
    assert Owner.parse(token.text) == token


@pytest.mark.parametrize(
    "text",
    [
        *("", "gate-a", "camera:", "camera:gate-a", "camera:/gate-a", "camera:harbour/"),
        *("camera:Harbour/gate-a", "camera:harbour/gate/a", "camera:harbour/gate-a "),
        *("token:", "token:" + "x" * 101, "site:harbour", "camera:harbour/" + "a" * 64),
    ],
)
def test_any_other_text_is_none(text: str) -> None:
    with pytest.raises(InvalidOwner):
        Owner.parse(text)
