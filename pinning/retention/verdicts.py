"""What the policies say of pins: one statement for one pin or for all of them. SQL only.

Of the policies that fit a pin the highest priority decides, and among equals the longest keeping;
where that is the same, the name that comes first. A pin that none fits has no verdict: it stays.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pinhole.contract.cid import Cid
from pinhole.contract.policies import AgeBy, Per, Policy
from pinning.retention.holds import Guard
from pinning.retention.selection import RECEIVED, Parameters, aged_from, captured, fits

_DAY_S: Final = 86_400
_AFTER: Final = " + ? * interval '1 second'"
_PER: Final = {Per.CAMERA: "p.site, p.camera", Per.SITE: "p.site", Per.ALL: "true"}

# `OFFSET 0` keeps PostgreSQL from writing an expression out wherever its column is used: a verdict
# compares each of them several times.
_ONCE: Final = " OFFSET 0"


@dataclass(frozen=True)
class Judgement:
    """A statement `WITH … verdict AS (…)`, to be completed with what is asked of the verdicts.

    The rows of `verdict`: requestid, cid, owner, size_bytes, received, until (`infinity` where
    there is no end, `-infinity` where it is over its count), number (of the policy that decides),
    archive_at, by_hold (whether a hold on a selection is about it), version (of the row).
    """

    policies: Sequence[Policy]
    """In the order of their numbers, from 1."""
    statement: str
    parameters: Parameters
    now: str
    """The parameter that is the instant of judgement."""

    def policy(self, number: int) -> Policy:
        """Return the policy with this number."""
        return self.policies[number - 1]


def judgement(
    policies: Sequence[Policy],
    guard: Guard,
    *,
    at: datetime,
    plausible_days: float,
    cids: Sequence[Cid] | None = None,
    sample_percent: float = 100,
) -> Judgement:
    """Return the statement that judges the pins of `cids`, or all, or a sample, as of `at`."""
    ordered = sorted(policies, key=lambda policy: policy.name)
    parameters = Parameters()
    now = parameters.add(at, "timestamptz")
    pins = _pins(ordered, plausible_days, parameters)
    counted = [
        (number, _over_count(policy, pins, parameters))
        for number, policy in enumerate(ordered, 1)
        if policy.keep.last or policy.keep.within_bytes or policy.keep.one_per_s
    ]
    source, only = pins, ""
    if sample_percent < 100:  # noqa: PLR2004 - a whole
        sample = parameters.fill("AS p TABLESAMPLE SYSTEM (?)", sample_percent, "real")
        source = pins.replace("AS p", sample)
    if cids is not None:
        only = parameters.fill(" AND p.cid = ANY (?)", [cid.binary for cid in cids], "bytea[]")
    joins = [
        f" LEFT JOIN over_{number} ON over_{number}.requestid = p.requestid"
        for number, _ in counted
    ]
    columns = [
        "p.requestid, p.cid, p.owner, p.size_bytes, p.received, p.version",
        guard.fits(parameters) + " AS by_hold",
        *(
            f"CASE WHEN {_about(policy, parameters)} THEN {_until(n, policy, parameters)} END"
            f" AS until_{n}"
            for n, policy in enumerate(ordered, 1)
        ),
        *(
            parameters.fill(
                aged_from(policy.age_by) + _AFTER,
                _seconds(policy.keep.archive_after_days),
                "float8",
            )
            + f" AS archive_{n}"
            for n, policy in enumerate(ordered, 1)
            if policy.keep.archive_after_days is not None
        ),
    ]
    each = "SELECT " + ", ".join(columns)
    once = _ONCE if any(policy.age_by is AgeBy.CAPTURED for policy in ordered) else ""
    each += " FROM (" + source + only + once + ") AS p" + "".join(joins) + _ONCE
    parts = [f"over_{number} AS MATERIALIZED ({query})" for number, query in counted]
    parts.append("verdict AS (" + _decided(ordered, each) + ")")
    return Judgement(ordered, "WITH " + ", ".join(parts) + " ", parameters, now)


_PINS: Final = """
    SELECT p.requestid, p.cid, p.owner, p.size_bytes, p.site, p.camera, p.city, p.kind,
           p.label_status, p.classes, p.max_confidence, p.captured_at, p.completed_at,
           p.received_at, p.created_at, {received} AS received, {captured} AS captured,
           p.xmin AS version
    FROM pinning.pins AS p WHERE p.status = 'pinned'
"""


def _pins(policies: Sequence[Policy], plausible_days: float, parameters: Parameters) -> str:
    """Return the query of what is judged: every pinned pin, with its instants."""
    when = "NULL::timestamptz"  # as cheap as it can be where nobody asks
    if any(policy.age_by is AgeBy.CAPTURED for policy in policies):
        when = captured(plausible_days, parameters)
    return _PINS.format(received=RECEIVED, captured=when)


def _about(policy: Policy, parameters: Parameters) -> str:
    return fits(policy.where, parameters) + f" AND {aged_from(policy.age_by)} IS NOT NULL"


_OVER_COUNT: Final = """
    SELECT requestid FROM (
        SELECT p.requestid, {counting} AS counted FROM ({pins}) AS p
        WHERE {about} WINDOW w AS ({window})
    ) AS c WHERE counted > {most}
"""


def _over_count(policy: Policy, pins: str, parameters: Parameters) -> str:
    """Return the query of the pins that a policy does not count among those it keeps."""
    keep, aged, per = policy.keep, aged_from(policy.age_by), _PER[policy.keep.per or Per.CAMERA]
    if keep.one_per_s is not None:
        bucket = parameters.fill(f"floor(extract(epoch FROM {aged}) / ?)", keep.one_per_s, "float8")
        counting = "row_number() OVER w"
        window = f"PARTITION BY {per}, {bucket} ORDER BY {aged}, p.requestid"
        most = "1"
    else:
        window = (
            f"PARTITION BY {per} ORDER BY {aged} DESC, p.requestid DESC ROWS UNBOUNDED PRECEDING"
        )
        counting = "row_number() OVER w" if keep.last is not None else "sum(p.size_bytes) OVER w"
        most = parameters.add(keep.last or keep.within_bytes, "bigint")
    return _OVER_COUNT.format(
        counting=counting, pins=pins, about=_about(policy, parameters), window=window, most=most
    )


def _until(number: int, policy: Policy, parameters: Parameters) -> str:
    keep, aged = policy.keep, aged_from(policy.age_by)
    kept = "timestamptz 'infinity'"
    if keep.for_days is not None:
        kept = parameters.fill(aged + _AFTER, _seconds(keep.for_days), "float8")
    if keep.one_per_s is not None:
        over = parameters.fill(aged + _AFTER, _seconds(keep.after_days), "float8")
    elif keep.last is not None or keep.within_bytes is not None:
        over = "timestamptz '-infinity'"
    else:
        return kept
    return f"CASE WHEN over_{number}.requestid IS NULL THEN {kept} ELSE {over} END"


_DECIDED: Final = """
    SELECT requestid, cid, owner, size_bytes, received, version, by_hold, until, number,
           {archive_at} AS archive_at
    FROM (
        SELECT *, coalesce({until}) AS until, CASE {deciding} END AS number
        FROM (SELECT *{levels} FROM ({each}) AS e OFFSET 0) AS l OFFSET 0
    ) AS d WHERE until IS NOT NULL
"""


def _decided(policies: Sequence[Policy], each: str) -> str:
    """Return the query that picks, of a pin's policies, the one that decides."""
    groups: defaultdict[int, list[int]] = defaultdict(list)
    for number, policy in enumerate(policies, 1):
        groups[policy.priority].append(number)
    ranked = [groups[priority] for priority in sorted(groups, reverse=True)]
    longest = ["greatest(" + ", ".join(f"until_{n}" for n in group) + ")" for group in ranked]
    levels = "".join(f", {best} AS longest_{n}" for n, best in enumerate(longest))
    until = ", ".join(f"longest_{n}" for n in range(len(ranked)))
    # The longest of a level equals one of the level's own; a lower level is reached only where
    # none of the higher ones fits.
    deciding = " ".join(
        f"WHEN longest_{level} = until_{n} THEN {n}"
        for level, group in enumerate(ranked)
        for n in group
    )
    archives = " ".join(
        f"WHEN {n} THEN archive_{n}"
        for n, policy in enumerate(policies, 1)
        if policy.keep.archive_after_days is not None
    )
    archive_at = f"CASE number {archives} END" if archives else "NULL::timestamptz"
    return _DECIDED.format(
        archive_at=archive_at, until=until, deciding=deciding, levels=levels, each=each
    )


def _seconds(days: float | None) -> float | None:
    return days * _DAY_S if days is not None else None
