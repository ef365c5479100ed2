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
    heartbeats,
    notices,
    queue,
    settlement,
)
from dashboard_gateway.absences import Kind
from dashboard_gateway.deliveries import Delivery
from dashboard_gateway.frames import Loss
from dashboard_gateway.sorting import Repeat, Sorting, Taken, streams_named
from pinhole.contract.event import FrameLost
from pinhole.runtime.postgres import Connection


async def take_in(
    connection: Connection, received: Sequence[Delivery], plausible_age: timedelta
) -> list[Taken]:
    """Write deliveries within the caller's transaction; return what became of each, in order."""
    taken = [Taken(delivery, list(delivery.refusals)) for delivery in received]
    streams = await settlement.lock(connection, streams_named(taken))
    sorting = Sorting(taken, streams, plausible_age)
    await _write_frames(connection, sorting)
    await _tell_repeats_from_conflicts(connection, sorting)
    changed = await _write_absences(connection, sorting)
    changed += await _write_consequences(connection, sorting)
    new = [frame_id for one in taken for frame_id in one.frame_ids]
    await notices.notify_frames(connection, new + changed)
    await _acknowledge(connection, sorting, taken)
    return taken


async def _write_frames(connection: Connection, sorting: Sorting) -> None:
    """Write evidence and frames; what another commit wrote meanwhile counts as come again."""
    states = await chain.judge_all(
        connection, sorting.streams, list(sorting.links()), sorting.gaps()
    )
    await _store(connection, (candidate.taken for candidate in sorting.candidates))
    for candidate in sorting.candidates:
        candidate.frame.delivery_id = candidate.taken.delivery_id or 0
        if candidate.place is not None:
            candidate.frame.chain_state = states[candidate.place]
    ids = await frames.insert(connection, [candidate.frame for candidate in sorting.candidates])
    for candidate in sorting.candidates:
        repeat = Repeat(candidate.taken, candidate.received, candidate.frame.event)
        frame_id = ids.get(repeat.identity)
        if frame_id is None:
            sorting.repeats.append(repeat)
        else:
            sorting.keep(candidate, frame_id)


async def _store(connection: Connection, taken: Iterable[Taken]) -> None:
    """Store the evidence of these deliveries, each once."""
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


async def _write_absences(connection: Connection, sorting: Sorting) -> list[int]:
    """Write what will never have a frame; return the frames whose bytes are lost."""
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
    return await frames.lose(connection, losses)


async def _write_consequences(connection: Connection, sorting: Sorting) -> list[int]:
    """Write what follows from the events: jobs, judged successors, signs of life.

    Returns:
        Frames from before that changed by it.
    """
    by_camera: defaultdict[int, list[int]] = defaultdict(list)
    for taken in {
        id(candidate.taken): candidate.taken for candidate in sorting.candidates
    }.values():
        by_camera[taken.camera_id] += taken.frame_ids
    await queue.enqueue_frames(connection, by_camera.values())
    await heartbeats.write(connection, sorting.signs.values())
    judged = await chain.release_pending(connection, sorting.streams, sorting.settled())
    return judged + await frames.erase_unfetched(connection, sorting.erased)


async def _acknowledge(connection: Connection, sorting: Sorting, taken: Sequence[Taken]) -> None:
    """Tell each delivery what of its streams is settled, and what of its camera is missing."""
    through = await settlement.advance(connection, sorting.advances.values())
    missing = await settlement.wanted(connection, sorting.signs.keys())
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
