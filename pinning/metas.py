"""Another `meta` for many pins in one call: `PATCH /pins/meta`.

A label that a person gives, or what a detector saw, reaches the pins of a frame this way; policies
see it at once. Requestids, instants and status stay, which a replaced pin would lose.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from aiohttp import web

from pinhole.contract.errors import TooLarge
from pinhole.contract.owners import Owner
from pinhole.contract.pins import (
    MAX_META_KEYS,
    MetaPatch,
    PatchMetaRequest,
    PatchMetaResult,
    PatchMetaResults,
)
from pinhole.contract.scopes import Scope
from pinhole.runtime.http import json_answer, json_body
from pinhole.runtime.openapi import Operation, add_route
from pinhole.runtime.postgres import Pool
from pinning import store
from pinning.callers import batch_owner, caller_of
from pinning.keys import POOL
from pinning.locks import lock
from pinning.texts import check_storable

MAX_BODY_BYTES: Final = 4 * 2**20  # as of POST /pins/batch
# One short patch for 500 pins is written 500 times.
MAX_WRITTEN_CHARACTERS: Final = 4 * 2**20
MAX_META_CHARACTERS: Final = 2**20  # as much as POST /pins takes


async def patch_meta(request: web.Request) -> web.Response:
    """Change the meta of many pins, each by itself; one result each, in order."""
    caller = await caller_of(request, Scope.PINS_WRITE)
    asked = await json_body(request, PatchMetaRequest, MAX_BODY_BYTES)
    owner = batch_owner(caller, asked.site, asked.camera)
    for patch in asked.patches:
        check_storable("meta", *patch.given, *patch.given.values())
    written = sum(_characters(patch.given) for _, patch in asked.steps)
    if written > MAX_WRITTEN_CHARACTERS:
        raise TooLarge(
            f"over all pins, {written} characters of meta would be written, "
            f"the limit is {MAX_WRITTEN_CHARACTERS}"
        )
    results = await _apply(request.app[POOL], owner, asked.steps)
    return json_answer(PatchMetaResults(results=results))


async def _apply(
    pool: Pool, owner: Owner, steps: Sequence[tuple[UUID, MetaPatch]]
) -> list[PatchMetaResult]:
    """Change what can be changed in one transaction; if cancelled, nothing is."""
    requestids = list({requestid for requestid, _ in steps})
    async with pool.acquire() as connection, connection.transaction():
        # Whoever settles or deletes these pins holds the same locks: no two wait in a circle.
        await lock(connection, await store.cids(connection, owner, requestids))
        metas = await store.metas(connection, owner, requestids)
        results = [_change(metas, requestid, patch) for requestid, patch in steps]
        changed = {result.requestid for result in results if result.changed}
        if changed:
            await store.write_metas(connection, owner, {key: metas[key] for key in changed})
    return results


def _change(
    metas: dict[UUID, dict[str, str]], requestid: UUID, patch: MetaPatch
) -> PatchMetaResult:
    """Change one of `metas`, or say why it stays as it is."""
    if requestid not in metas:
        return _unchanged(requestid, "NOT_FOUND", f"there is no pin {requestid}")
    meta = patch.applied_to(metas[requestid])
    if len(meta) > MAX_META_KEYS:
        details = f"meta would have {len(meta)} keys, the limit is {MAX_META_KEYS}"
        return _unchanged(requestid, "TOO_MANY_KEYS", details)
    if (length := _characters(meta)) > MAX_META_CHARACTERS:
        details = f"meta would have {length} characters, the limit is {MAX_META_CHARACTERS}"
        return _unchanged(requestid, "TOO_LARGE", details)
    metas[requestid] = meta
    return PatchMetaResult(requestid=requestid, changed=True)


def _unchanged(requestid: UUID, reason: str, details: str) -> PatchMetaResult:
    return PatchMetaResult(requestid=requestid, changed=False, reason=reason, details=details)


def _characters(meta: Mapping[str, str]) -> int:
    return sum(len(key) + len(value) for key, value in meta.items())


_OPERATION: Final = Operation(
    scope=Scope.PINS_WRITE, body=PatchMetaRequest, answers={200: PatchMetaResults}
)


def add_routes(app: web.Application) -> None:
    """Add the route for metas."""
    add_route(app, "PATCH", "/pins/meta", patch_meta, _OPERATION)
