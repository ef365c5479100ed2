"""Ingest: a signed webhook to its committed row and job, to 202.

32 senders, each on its own connection with its own chained stream, sending the next event when the
last was acknowledged: what 32 cameras do when they are behind. Only the receiving parts run, in one
worker, with PostgreSQL that fsyncs.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat

from bench import senders
from bench.figure import Budget, Figure, at_least, ratio_at_least
from bench.scale import Scale
from bench.senders import Sender
from bench.server import Played, Server
from bench.stage import Stage
from pinhole.runtime.postgres import create_pool

CONNECTIONS = 32
BATCH = 100
BATCH_CONNECTIONS = 4
# More than a worker can take in the time: a script that ends early shortens the measurement only.
_PER_SECOND = 6_000
_BATCHED_PER_SECOND = 16_000


def measure(stage: Stage, scale: Scale) -> list[Figure]:
    """Return the rows of ingest, floors first."""
    body = senders.hmac_sender("any").single(senders.hmac_sender("any").any_event())
    noop = _floor("no-op aiohttp POST, c=32", _constant(stage.floor("noop"), body, scale))
    inserting = stage.floor("insert", stage.dsn)
    insert = _floor("INSERT and COMMIT a request, c=32", _constant(inserting, body, scale))
    receiving = stage.receiving()
    rows = [noop, insert]
    singles: Sequence[tuple[str, Callable[[str], Sender], Budget]] = (
        ("HMAC", senders.hmac_sender, ratio_at_least(0.15)),
        ("Ed25519", senders.camera, at_least(2_000)),
    )
    for kind, make, budget in singles:
        played = _singles(
            stage, receiving, [make(f"{kind.lower()}-{n}") for n in range(CONNECTIONS)], scale
        )
        rows.append(
            Figure(
                name=f"{kind}-signed single event, c=32",
                value=played.result.rate,
                unit="events/s",
                source="signed webhook → verified → row + job committed → 202; one worker",
                beside=noop,
                budgets=[budget],
                details=played.details(),
            )
        )
    batched = _batches(stage, receiving, scale)
    rows.append(
        Figure(
            name=f"Ed25519-signed batches of {BATCH}, c={BATCH_CONNECTIONS}",
            value=batched.result.rate * BATCH,
            unit="events/s",
            source="the same in application/cloudevents-batch+json; one worker",
            beside=insert,
            budgets=[at_least(10_000)],
            details=batched.details(BATCH),
        )
    )
    return rows


def _floor(name: str, played: Played) -> Figure:
    return Figure(
        name=name,
        value=played.result.rate,
        unit="events/s",
        source="the same request body, no signature, no promise",
        details=played.details(),
    )


def _constant(server: Server, request: bytes, scale: Scale) -> Played:
    return server.play([[request]] * CONNECTIONS, scale.seconds, repeat=True)


def _singles(stage: Stage, server: Server, many: list[Sender], scale: Scale) -> Played:
    _enrol(stage, many)
    each = int(_PER_SECOND * scale.seconds / len(many))
    scripts = _written(_write_singles, many, each)
    return server.play(scripts, scale.seconds)


def _batches(stage: Stage, server: Server, scale: Scale) -> Played:
    many = [senders.camera(f"batch-{n}") for n in range(BATCH_CONNECTIONS)]
    _enrol(stage, many)
    each = int(_BATCHED_PER_SECOND * scale.seconds / BATCH / len(many))
    scripts = _written(_write_batches, many, each)
    return server.play(scripts, scale.seconds)


def _enrol(stage: Stage, many: list[Sender]) -> None:
    async def enrol() -> None:
        async with await create_pool(stage.dsn, max_size=2) as pool:
            for sender in many:
                await sender.enrol(pool)

    asyncio.run(enrol())


def _write_singles(sender: Sender, count: int) -> list[bytes]:
    return [sender.single(sender.any_event()) for _ in range(count)]


def _write_batches(sender: Sender, count: int) -> list[bytes]:
    return [sender.batch([sender.any_event() for _ in range(BATCH)]) for _ in range(count)]


def _written(
    write: Callable[[Sender, int], list[bytes]], many: list[Sender], count: int
) -> list[list[bytes]]:
    """Return what each sender will send; signing takes 0.15 ms an event, so on every core."""
    with ProcessPoolExecutor() as processes:
        return list(processes.map(write, many, repeat(count)))
