"""Taking deliveries in: one transaction for all that wait, so that 202 means durable.

Frames, their evidence, their jobs and what they change in their streams are committed together or
not at all.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import timedelta

from dashboard_gateway import (
    absences,
    chain,
    deliveries,
    frames,
    queue,
    settlement,
)
from dashboard_gateway.absences import Kind
from dashboard_gateway.deliveries import Delivery
from dashboard_gateway.frames import Loss
from dashboard_gateway.heartbeats import Heartbeats
from dashboard_gateway.sorting import Repeat, Sorting, Taken, streams_named
from pinhole.contract.event import FrameLost
from pinhole.runtime.postgres import Connection


class Intake:
    """Writes deliveries."""

    def __init__(self, plausible_age: timedelta) -> None:
        self._plausible_age = plausible_age
        self._heartbeats = Heartbeats()

    async def take_in(self, connection: Connection, received: Sequence[Delivery]) -> list[Taken]:
        """Write deliveries within the caller's transaction; return what became of each, in order.

        A round trip to PostgreSQL is what a commit's latency consists of: new events that come in
        order take three (streams, frames, jobs) and the acknowledgement.
        """
        taken = [Taken(delivery, list(delivery.refusals)) for delivery in received]
        streams = await settlement.lock(connection, streams_named(taken))
        sorting = Sorting(taken, streams, self._plausible_age)
        await _write_frames(connection, sorting)
        await _tell_repeats_from_conflicts(connection, sorting)
        await _write_absences(connection, sorting)
        await _write_consequences(connection, sorting)
        await self._heartbeats.write(connection, sorting.signs.values())
        await _acknowledge(connection, sorting, taken)
        return taken


async def _write_frames(connection: Connection, sorting: Sorting) -> None:
    """Write evidence and frames; what another commit wrote meanwhile counts as come again."""
    states = await chain.judge_all(
        connection, sorting.streams, list(sorting.links()), sorting.gaps()
    )
    for candidate in sorting.candidates:
        if candidate.place is not None:
            candidate.frame.chain_state = states[candidate.place]
    new = await frames.insert(connection, [candidate.frame for candidate in sorting.candidates])
    for candidate in sorting.candidates:
        repeat = Repeat(candidate.taken, candidate.received, candidate.frame.event)
        written = new.get(repeat.identity)
        if written is None:
            sorting.repeats.append(repeat)
        else:
            sorting.keep(candidate, written)


async def _store(connection: Connection, taken: Iterable[Taken]) -> None:
    """Store the evidence of deliveries that brought no new frame, each once."""
    missing = list({id(one): one for one in taken if one.delivery_id is None}.values())
    if missing:
        ids = await deliveries.store(connection, [one.delivery for one in missing])
        for one, delivery_id in zip(missing, ids, strict=True):
            one.delivery_id = delivery_id


async def _tell_repeats_from_conflicts(connection: Connection, sorting: Sorting) -> None:
    """Count what was written before, and refuse what contradicts it."""
    came_again = sorting.repeats + sorting.losses
    known = await frames.find_events(connection, {repeat.identity for repeat in came_again})
    for repeat in sorting.repeats:
        before = known.get(repeat.identity)
        if before == repeat.received.digest:
            repeat.taken.duplicates += 1
        else:
            sorting.contradict(repeat, same_id=before is not None)
    for loss in sorting.losses:
        before = known.get(loss.identity)
        if before == loss.received.digest:
            loss.taken.duplicates += 1
        elif before is not None:
            sorting.contradict(loss, same_id=True)
        elif isinstance(loss.event, FrameLost):
            known[loss.identity] = loss.received.digest
            sorting.lose(loss, loss.event)


async def _write_absences(connection: Connection, sorting: Sorting) -> None:
    """Write what will never have a frame, and which frames will never have their bytes."""
    await _store(connection, (taken for taken, _ in sorting.absences))
    for taken, absence in sorting.absences:
        absence.delivery_id = taken.delivery_id or 0
    written = [absence for _, absence in sorting.absences]
    await absences.insert(connection, written)
    losses = [
        Loss(a.camera_id, a.stream, a.first_seq, a.last_seq, a.details or "")
        for a in written
        if a.kind is Kind.LOST
    ]
    await frames.lose(connection, losses)


async def _write_consequences(connection: Connection, sorting: Sorting) -> None:
    """Write what follows from the events: jobs, judged successors, erasures."""
    by_camera: defaultdict[int, list[int]] = defaultdict(list)
    for taken in {
        id(candidate.taken): candidate.taken for candidate in sorting.candidates
    }.values():
        by_camera[taken.camera_id] += taken.frame_ids
    await queue.enqueue_frames(connection, by_camera.values())
    await chain.release_pending(connection, sorting.streams, sorting.settled())
    await frames.erase_unfetched(connection, sorting.erased)


async def _acknowledge(connection: Connection, sorting: Sorting, taken: Sequence[Taken]) -> None:
    """Tell each delivery what of its streams is settled, and what of its camera is missing."""
    through, missing = await settlement.advance(
        connection, sorting.advances.values(), sorting.signs.keys()
    )
    for one in taken:
        own = {
            stream: through[stream]
            for stream in one.streams
            if sorting.streams[stream].camera_id == one.camera_id
        }
        one.wanted = missing[one.camera_id]
        one.pinned_through = await settlement.acknowledged(
            connection, one.camera_id, own, one.wanted
        )
