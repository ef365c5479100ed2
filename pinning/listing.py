"""A page of pins, newest first, in about the same time however many there are.

A list looks at the newest pins of one walk (pinning/walks.py) until its page is full. How many
match in all is counted up to a thousand and estimated beyond: counting a million takes 80 ms at
best, and a page has ten.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from pinhole.contract.owners import Owner
from pinhole.runtime.postgres import Connection, Pool
from pinning import walks
from pinning.filters import Filter
from pinning.store import StoredPin
from pinning.walks import FEW, Walk

# Pins that are looked at for each that the page shows, where more are there than are counted. They
# may lie in as many places: a thousand took 35 ms on a busy machine.
_LOOKS: Final = 4
# Where they do not fill the page: ten times as many.
_WIDER: Final = 10
_ALL: Final = 2**31 - 1

# $1 to $4 are told in pinning/walks.py; $10 is how many the page lacks. Each filter is compared,
# also the one that the walk is of: a facet is only a hash.
_MATCHING: Final = """
    , matching AS MATERIALIZED (
        SELECT p.created_at FROM candidates, LATERAL (
            SELECT * FROM pinning.pins WHERE owner = $1 AND created_at = candidates.created_at
            OFFSET 0  -- row by row from the index: the planner, who knows no limit, reads all
        ) AS p
        WHERE ($5::bytea[] IS NULL OR p.cid = ANY ($5))
        AND ($6::text IS NULL OR CASE $7::text
            WHEN 'exact' THEN p.name = $6
            WHEN 'iexact' THEN lower(p.name) = lower($6)
            WHEN 'partial' THEN position($6 in p.name) > 0
            ELSE position(lower($6) in lower(p.name)) > 0 END)
        AND p.status = ANY ($8::pinning.status[])
        AND ($9::jsonb IS NULL OR p.meta @> $9)
    )
"""
# Where the walk is exactly what is asked for, no row but the page's own is read.
_ALL_MATCH: Final = """
    , matching AS (
        SELECT created_at FROM candidates
        WHERE ($5::bytea[], $6::text, $9::jsonb) IS NULL
        AND ($7::text, $8::pinning.status[]) IS NOT NULL
    )
"""
_NEWEST: Final = """
    , newest AS (
        SELECT p.* FROM (
            SELECT created_at FROM matching ORDER BY created_at DESC LIMIT $10
        ) AS m, LATERAL (
            SELECT * FROM pinning.pins WHERE owner = $1 AND created_at = m.created_at OFFSET 0
        ) AS p
    )
    SELECT looked_at, oldest, (SELECT count(*) FROM matching) AS matched, newest.*
    FROM (SELECT count(*) AS looked_at, min(created_at) AS oldest FROM candidates) AS looked
    LEFT JOIN newest ON true
    ORDER BY newest.created_at DESC
"""

# How many there are, by the planner's statistics: 0.2 ms. Arguments that are NULL fall away.
OF_FACET: Final = """
    EXPLAIN (FORMAT JSON) SELECT FROM pinning.facets WHERE facet = $3::bigint
    AND created_at < coalesce($1, 'infinity'::timestamptz)
    AND created_at > coalesce($2, '-infinity'::timestamptz)
"""
OF_PINS: Final = """
    EXPLAIN (FORMAT JSON) SELECT FROM pinning.pins WHERE owner = $3::text
    AND created_at < coalesce($1, 'infinity'::timestamptz)
    AND created_at > coalesce($2, '-infinity'::timestamptz)
    AND ($4::pinning.status[] IS NULL OR status = ANY ($4))
    AND ($5::bytea[] IS NULL OR cid = ANY ($5))
"""


@dataclass(frozen=True)
class Page:
    """Pins, newest first, and how many match in all."""

    pins: list[StoredPin]
    count: int
    is_exact: bool
    """Whether `count` was counted; it always is up to a thousand."""


@dataclass(frozen=True)
class _Seen:
    """What was found among the newest `looked_at` pins of a walk, back to `oldest`."""

    pins: list[StoredPin]
    matched: int
    looked_at: int
    oldest: datetime | None

    def __add__(self, further: "_Seen") -> "_Seen":
        return _Seen(
            self.pins + further.pins,
            self.matched + further.matched,
            self.looked_at + further.looked_at,
            further.oldest,
        )


async def page(pool: Pool, owner: Owner, wanted: Filter) -> Page:
    """Return the newest pins of `owner` that `wanted` asks for, and the count of all of them."""
    async with pool.acquire() as connection:
        walk = await walks.choose(connection, owner, wanted)
        size = _LOOKS * wanted.limit if walk.has_many else FEW + 1
        seen = _Seen([], 0, 0, wanted.before)
        # No transaction around it: each look is older than the one before, none sees a pin twice.
        while True:
            rest = replace(wanted, before=seen.oldest, limit=wanted.limit - len(seen.pins))
            further = await _look(connection, walk, owner, rest, size=size)
            seen += further
            if further.looked_at < size:
                return Page(seen.pins, seen.matched, is_exact=True)
            if len(seen.pins) == wanted.limit:
                count = await _estimate(connection, walk, owner, wanted, seen=seen)
                return Page(seen.pins, count, is_exact=False)
            size *= _WIDER
            if walk.is_of_all and (of_part := walks.of_part(wanted)) is not None:
                walk, size = of_part, _ALL


def statement(walk: Walk, wanted: Filter) -> str:
    """Return the statement that looks through `walk` for what is asked."""
    candidates = "WITH candidates AS MATERIALIZED (" + walk.sql + ")"
    return candidates + (_ALL_MATCH if walk.is_all_of(wanted) else _MATCHING) + _NEWEST


def arguments(walk: Walk, owner: Owner, wanted: Filter, *, size: int) -> tuple[Any, ...]:
    """Return the arguments of `statement`, which looks at `size` pins of the walk."""
    return (
        owner.text,
        wanted.before,
        wanted.after,
        size,
        [cid.binary for cid in wanted.cids] if wanted.cids is not None else None,
        wanted.name,
        wanted.match,
        wanted.statuses,
        wanted.meta,
        wanted.limit,
        *walk.facet,
    )


async def _look(
    connection: Connection, walk: Walk, owner: Owner, wanted: Filter, *, size: int
) -> _Seen:
    rows = await connection.fetch(
        statement(walk, wanted), *arguments(walk, owner, wanted, size=size)
    )
    head = rows[0]  # there always is one: without a match, of nothing but NULLs
    pins = [StoredPin.of(row) for row in rows if row["requestid"] is not None]
    return _Seen(pins, head["matched"], head["looked_at"], head["oldest"])


async def _estimate(
    connection: Connection, walk: Walk, owner: Owner, wanted: Filter, *, seen: _Seen
) -> int:
    """Return what PostgreSQL's statistics say of a walk, by the share of it that matched."""
    if walk.facet:
        plan = await connection.fetchval(OF_FACET, wanted.before, wanted.after, *walk.facet)
    else:
        cids = [cid.binary for cid in wanted.cids] if wanted.cids is not None else None
        statuses = wanted.statuses if walk.is_of_all else None
        plan = await connection.fetchval(
            OF_PINS, wanted.before, wanted.after, owner.text, statuses, cids
        )
    in_walk: int = max(plan[0]["Plan"]["Plan Rows"], FEW + 1)
    # More than the page shows: clients go on by it.
    return max(round(in_walk * seen.matched / seen.looked_at), seen.matched + 1)
