"""Walks: which pins a list looks at, newest first, each straight from one index. SQL only.

A list is narrowed by the filter that an index serves best; the others are compared on the rows
that come by. In all of them: $1 owner, $2 before, $3 after (either may be NULL), $4 how many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from pinhole.contract.owners import Owner
from pinhole.contract.pins import Status
from pinhole.runtime.postgres import Connection
from pinning.filters import Filter, Match

# Below it a filter is rare enough to look at all that it selects.
FEW: Final = 1_000
# Pairs of `meta` that are tried; the others are compared only.
_MAX_TRIED: Final = 16
_OF_PARTS: Final = (Match.PARTIAL, Match.IPARTIAL)

OF_OWNER: Final = """
    SELECT created_at FROM pinning.pins WHERE owner = $1
    AND created_at < coalesce($2, 'infinity'::timestamptz)
    AND created_at > coalesce($3, '-infinity'::timestamptz)
    ORDER BY created_at DESC LIMIT $4
"""
OF_PINNED: Final = """
    SELECT created_at FROM pinning.pins WHERE owner = $1 AND status = 'pinned'
    AND created_at < coalesce($2, 'infinity'::timestamptz)
    AND created_at > coalesce($3, '-infinity'::timestamptz)
    ORDER BY created_at DESC LIMIT $4
"""
# One walk through the index for each status: together they are in no order.
OF_UNFINISHED: Final = """
    SELECT of_one.created_at FROM unnest($8::pinning.status[]) AS wanted, LATERAL (
        SELECT created_at FROM pinning.pins
        WHERE owner = $1 AND status = wanted AND status <> 'pinned'
        AND created_at < coalesce($2, 'infinity'::timestamptz)
        AND created_at > coalesce($3, '-infinity'::timestamptz)
        ORDER BY created_at DESC LIMIT $4
    ) AS of_one ORDER BY created_at DESC LIMIT $4
"""
OF_CIDS: Final = """
    SELECT created_at FROM pinning.pins WHERE owner = $1 AND cid = ANY ($5::bytea[])
    AND created_at < coalesce($2, 'infinity'::timestamptz)
    AND created_at > coalesce($3, '-infinity'::timestamptz)
    ORDER BY created_at DESC LIMIT $4
"""
OF_FACET: Final = """
    SELECT created_at FROM pinning.facets WHERE facet = $11::bigint
    AND created_at < coalesce($2, 'infinity'::timestamptz)
    AND created_at > coalesce($3, '-infinity'::timestamptz)
    ORDER BY created_at DESC LIMIT $4
"""
# The index has no order: everything that it finds is sorted. For parts of names that are rare.
OF_GRAMS: Final = """
    SELECT created_at FROM (
        SELECT created_at FROM pinning.pins WHERE name IS NOT NULL
        AND pinning.grams(owner, name) @> pinning.grams_of_part($1, $6)
        -- The owner is inside the grams: to ask for it again would read another index whole.
        OFFSET 0
    ) AS found
    WHERE created_at < coalesce($2, 'infinity'::timestamptz)
    AND created_at > coalesce($3, '-infinity'::timestamptz)
    ORDER BY created_at DESC LIMIT $4
"""
RAREST: Final = """
    WITH tried AS MATERIALIZED (
        SELECT pinning.facet($1, kind, CASE kind WHEN 'iname' THEN lower(value) ELSE value END)
            AS facet
        FROM unnest($4::text[], $5::text[]) AS t (kind, value)
    )
    SELECT facet, (SELECT count(*) FROM (
        SELECT FROM pinning.facets AS f WHERE f.facet = tried.facet
        AND f.created_at < coalesce($2, 'infinity'::timestamptz)
        AND f.created_at > coalesce($3, '-infinity'::timestamptz)
        LIMIT $6
    ) AS few) AS seen
    FROM tried ORDER BY seen LIMIT 1
"""


@dataclass(frozen=True)
class Walk:
    """One of the statements above and the facet, where it is of one."""

    sql: str
    facet: tuple[int, ...] = ()
    has_many: bool = False
    """Whether it is known to have more pins than are counted."""

    @property
    def is_of_all(self) -> bool:
        """Whether nothing but the owner and the status narrows it."""
        return self.sql in (OF_OWNER, OF_PINNED, OF_UNFINISHED)

    def is_all_of(self, wanted: Filter) -> bool:
        """Whether every pin of the walk is asked for."""
        by_more = (wanted.cids, wanted.name, wanted.meta) != (None, None, None)
        by_status = self.sql == OF_OWNER and set(wanted.statuses or Status) != set(Status)
        return self.is_of_all and not by_more and not by_status


async def choose(connection: Connection, owner: Owner, wanted: Filter) -> Walk:
    """Return the walk that serves `wanted` best."""
    if wanted.cids is not None:
        return Walk(OF_CIDS)
    by_status = _by_status(wanted.statuses)
    facets = _facets(wanted)
    if not facets:
        return by_status
    kinds, values = zip(*facets, strict=True)
    (row,) = await connection.fetch(
        RAREST, owner.text, wanted.before, wanted.after, kinds, values, FEW + 1
    )
    has_many = row["seen"] > FEW
    # Few are unfinished, as a rule.
    if has_many and by_status.sql == OF_UNFINISHED:
        return replace(by_status, has_many=True)
    return Walk(OF_FACET, (row["facet"],), has_many=has_many)


def of_part(wanted: Filter) -> Walk | None:
    """Return the walk of names with the part that `wanted` asks for, if it asks for one."""
    return Walk(OF_GRAMS) if wanted.name and wanted.match in _OF_PARTS else None


def _facets(wanted: Filter) -> list[tuple[str, str]]:
    """Return (kind, value) of what may be looked up, as `pinning.facets_of` writes it."""
    facets = [("meta", f"{key}\x1f{value}") for key, value in (wanted.meta or {}).items()]
    if wanted.name is not None and wanted.match is Match.EXACT:
        facets.insert(0, ("name", wanted.name))
    elif wanted.name is not None and wanted.match is Match.IEXACT:
        facets.insert(0, ("iname", wanted.name))
    return facets[:_MAX_TRIED]


def _by_status(statuses: Sequence[Status] | None) -> Walk:
    wanted = set(statuses or Status)
    if wanted == {Status.PINNED}:
        return Walk(OF_PINNED)
    if Status.PINNED not in wanted:
        return Walk(OF_UNFINISHED)
    return Walk(OF_OWNER)
