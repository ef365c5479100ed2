"""The gateway proxy: pictures for those who may see them, beside Kubo's own gateway.

The proxy looks up the caller's token and its permission on the frame, and verifies the bytes
against the CID before the first one is sent. Kubo's gateway does none of that for its caller.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from bench import held, http_bytes, pictures
from bench.figure import Figure, at_least, at_most, ratio_at_least
from bench.scale import Scale
from bench.server import Played, Server
from bench.stage import Stage
from pinhole.contract.cid import Cid
from pinhole.contract.scopes import Scope
from pinhole.runtime.postgres import create_pool

CONNECTIONS = 16
LARGE, SMALL = 200_000, 15_000
AT_ONCE = 500
"""Pictures a second that are due, whether the last one came or not: ten times today's 50."""


@dataclass(frozen=True)
class Site:
    """A server of pictures and who asks it."""

    server: Server
    headers: Mapping[str, str] = field(default_factory=dict)

    def scripts(self, paths: Sequence[str]) -> list[list[bytes]]:
        """Return requests for `paths`, shared out: no two connections wait for the same fetch."""
        requests = [http_bytes.get(path, self.headers) for path in paths]
        return [requests[number::CONNECTIONS] or requests for number in range(CONNECTIONS)]

    def again_and_again(self, paths: Sequence[str], scale: Scale) -> Played:
        """Ask for `paths` as fast as the answers come."""
        return self.server.play(self.scripts(paths), scale.seconds, repeat=True)

    def once(self, paths: Sequence[str]) -> Played:
        """Ask for each of `paths` once."""
        played = self.server.play(self.scripts(paths), 60, warm_up_share=0)
        if played.result.failures or not played.result.exhausted:
            raise RuntimeError(f"{len(paths)} were asked for, came: {played.result.statuses}")
        return played


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of the gateway."""
    authorised = {"Authorization": f"Bearer {_token(stage)}"}
    usual = Site(stage.showing(), authorised)
    # With no picture kept, every answer is cold: fetched from the hub and verified.
    uncached = Site(stage.showing(DASHBOARD_PICTURE_CACHE_BYTES="0"), authorised)
    scene = pictures.rendered(1)[0]
    rows: list[Figure] = []
    for size_bytes, like in ((LARGE, scene), (SMALL, pictures.small(scene, 320))):
        made = list(islice(pictures.of_size(size_bytes, like), scale.pictures))
        cids = asyncio.run(held.at_the_hub(stage, f"gate-{size_bytes}", made))
        peer, floor = _peers(stage, scale, size_bytes, cids)
        rows += [floor, peer, *_proxied(scale, size_bytes, cids, (usual, uncached), peer)]
        if size_bytes == LARGE:
            rows += _at_once(usual, scale, cids) + _thumbnails(usual, scale, cids)
    return rows


def _peers(
    stage: Stage, scale: Scale, size_bytes: int, cids: Sequence[Cid]
) -> tuple[Figure, Figure]:
    name = _size(size_bytes)
    kubo = Site(stage.hub_gateway).again_and_again(
        [f"/ipfs/{cid}?format=raw" for cid in cids], scale
    )
    memory = Site(stage.floor("memory", str(size_bytes))).again_and_again(["/"], scale)
    return (
        _figure(f"Kubo's gateway, {name}", kubo, "GET ?format=raw, c=16, no authorisation"),
        _figure(f"aiohttp from memory, {name}", memory, "the same bytes every time, c=16"),
    )


def _proxied(
    scale: Scale, size_bytes: int, cids: Sequence[Cid], sites: tuple[Site, Site], peer: Figure
) -> list[Figure]:
    usual, uncached = sites
    name, paths = _size(size_bytes), [f"/ipfs/{cid}" for cid in cids]
    usual.once(paths)
    hot = usual.again_and_again(paths, scale)
    cold = uncached.again_and_again(paths, scale)
    source = "GET /ipfs/{cid} with a bearer token, c=16, one worker"
    return [
        _figure(f"proxy, hot, {name}", hot, source, beside=peer, budgets=[ratio_at_least(1.5)]),
        _figure(
            f"proxy, cold, {name}",
            cold,
            f"{source}, its cache switched off: each from the hub, verified",
            beside=peer,
            budgets=[ratio_at_least(0.5)],
        ),
    ]


def _at_once(usual: Site, scale: Scale, cids: Sequence[Cid]) -> list[Figure]:
    paths = [f"/ipfs/{cid}" for cid in cids]
    played = usual.server.play(usual.scripts(paths), scale.seconds, repeat=True, rate=AT_ONCE)
    times = played.details()
    source = f"{AT_ONCE} pictures of 200 KB due a second; time from due to last byte"
    return [
        Figure(
            name=f"{AT_ONCE} pictures/s at once",
            value=played.result.rate,
            unit="pictures/s",
            source=source,
            budgets=[at_least(0.99 * AT_ONCE)],
            details=times,
        ),
        Figure(
            name=f"picture from the proxy at {AT_ONCE}/s, p50",
            value=times["p50_ms"],
            unit="ms",
            source=source + "; deployments today: 15-55 ms at 50/s",
            budgets=[at_most(5)],
            details=times,
        ),
    ]


def _thumbnails(usual: Site, scale: Scale, cids: Sequence[Cid]) -> list[Figure]:
    paths = [f"/ipfs/{cid}?width=320" for cid in cids]
    source = "GET ?width=320 of a 720p JPEG, c=16"
    made = _figure("thumbnail, made", usual.once(paths), f"{source}, never asked for before")
    hot = usual.again_and_again(paths, scale)
    return [made, _figure("thumbnail, hot", hot, f"{source}, made before", beside=made)]


def _figure(name: str, played: Played, source: str, **rest: object) -> Figure:
    return Figure(
        name=name,
        value=played.result.rate,
        unit="pictures/s",
        source=source,
        details=played.details(),
        **rest,  # type: ignore[arg-type]
    )


def _size(size_bytes: int) -> str:
    return f"{size_bytes // 1000} KB"


def _token(stage: Stage) -> str:
    async def make() -> str:
        async with await create_pool(stage.dsn, max_size=1) as pool:
            return await held.token_of(pool, "bench-gateway", Scope.FRAMES_READ)

    return asyncio.run(make())
