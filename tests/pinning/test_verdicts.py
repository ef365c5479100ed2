"""What policies say of pins, against the rule as it is written down, and whatever else there is."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pinhole.contract.policies import AgeBy, Per, Policy, PolicySet
from pinhole.runtime.postgres import Pool
from pinning.retention import holds
from pinning.retention.verdicts import judgement
from tests.pinning.kept import NOW, Kept, before, keep, policy

EVER = datetime.max.replace(tzinfo=UTC)
NEVER = datetime.min.replace(tzinfo=UTC)

VERDICTS = """
    SELECT requestid, number, CASE WHEN isfinite(until) THEN until END AS until,
           until = '-infinity' AS over_count FROM verdict WHERE {now} IS NOT NULL
"""


async def judged(pool: Pool, policies: Sequence[Policy]) -> dict[UUID, tuple[str, datetime]]:
    """Return, by pin, which policy decides and until when it is kept."""
    async with pool.acquire() as connection:
        guard = await holds.guard(connection)
        found = judgement(policies, guard, at=NOW, plausible_days=30)
        query = found.statement + VERDICTS.replace("{now}", found.now)
        rows = await connection.fetch(query, *found.parameters.values)
    verdicts = {}
    for row in rows:
        until = row["until"] or (NEVER if row["over_count"] else EVER)
        verdicts[UUID(int=row["requestid"].int)] = (found.policy(row["number"]).name, until)
    return verdicts


def expected(pins: Sequence[Kept], policies: Sequence[Policy]) -> dict[UUID, tuple[str, datetime]]:
    """Return the same by the rule: the highest priority, then the longest keeping, then by name."""
    verdicts = {}
    for number, pin in enumerate(pins):
        fitting = [one for one in policies if _fits(one, pin) and _aged_from(one, pins, number)]
        if not fitting:
            continue
        highest = max(one.priority for one in fitting)
        until = {one.name: _until(one, pins, number) for one in fitting if one.priority == highest}
        name = min(until, key=lambda name: (-(until[name] - NEVER), name))
        verdicts[pin.requestid] = (name, until[name])
    return verdicts


def _fits(one: Policy, pin: Kept) -> bool:
    where = one.where
    lists: Mapping[str, tuple[Any, Any]] = {
        "site": (where.site, pin.site),
        "camera": (where.camera, f"{pin.site}/{pin.camera}"),
        "city": (where.city, pin.city),
        "kind": (where.kind, pin.kind),
        "label": (where.label_status, pin.label or "none"),
    }
    if any(words is not None and word not in words for words, word in lists.values()):
        return False
    if where.classes is not None and not set(where.classes) & set(pin.classes):
        return False
    bounds = (
        (pin.confidence, where.confidence_at_least, where.confidence_below),
        (pin.size_bytes, where.bytes_at_least, where.bytes_below),
    )
    for value, low, high in bounds:
        if low is not None and (value is None or value < low):
            return False
        if high is not None and (value is None or value >= high):
            return False
    return True


def _aged_from(one: Policy, pins: Sequence[Kept], number: int) -> datetime | None:
    pin = pins[number]
    received = NOW - timedelta(days=pin.days, microseconds=number)
    if one.age_by is AgeBy.COMPLETED:
        return before(pin.completed_days, NOW)
    captured = before(pin.captured_days, NOW)
    if one.age_by is AgeBy.RECEIVED or captured is None:
        return received
    believable = received - timedelta(days=30) <= captured <= received + timedelta(minutes=5)
    return captured if believable else received


def _until(one: Policy, pins: Sequence[Kept], number: int) -> datetime:
    kept, aged = one.keep, _aged_from(one, pins, number)
    assert aged is not None
    until = aged + timedelta(days=kept.for_days) if kept.for_days is not None else EVER
    per = kept.per or Per.CAMERA

    def key(pin: Kept) -> tuple[str, ...]:
        return {
            Per.ALL: (),
            Per.SITE: (pin.site,),
            Per.CAMERA: (pin.site, pin.camera),
        }[per]

    same = [
        (at, pin.requestid.hex, pin)
        for other, pin in enumerate(pins)
        if _fits(one, pin) and key(pin) == key(pins[number])
        if (at := _aged_from(one, pins, other)) is not None
    ]
    mine = (aged, pins[number].requestid.hex)
    newer = [pin for at, identity, pin in same if (at, identity) >= mine]
    if kept.last is not None:
        return until if len(newer) <= kept.last else NEVER
    if kept.within_bytes is not None:
        return until if sum(pin.size_bytes for pin in newer) <= kept.within_bytes else NEVER
    if kept.one_per_s is not None:
        assert kept.after_days is not None
        bucket = aged.timestamp() // kept.one_per_s
        first = min(entry[:2] for entry in same if entry[0].timestamp() // kept.one_per_s == bucket)
        return until if first == mine else aged + timedelta(days=kept.after_days)
    return until


words = st.sampled_from(["harbour", "mill"])
cameras = st.sampled_from(["gate-a", "gate-b"])
days = st.sampled_from([0.0, 0.4, 1.0, 29.0, 31.0, 89.0, 91.0, 400.0])
maybe_days = st.none() | days
labels = st.sampled_from([None, "correct", "changed", "unsure"])

pins_of = st.lists(
    st.builds(
        Kept, days=days, site=words, camera=cameras, label=labels,
        kind=st.sampled_from(["frame", "job", None]),
        city=st.sampled_from([None, "ulm"]),
        classes=st.sampled_from([(), ("car",), ("car", "person")]),
        confidence=st.sampled_from([None, 0.25, 0.75]),
        size_bytes=st.integers(1, 3), captured_days=maybe_days, completed_days=maybe_days,
    ),
    min_size=1, max_size=12,
)  # fmt: skip
keeps = st.one_of(
    st.builds(lambda d: {"for_days": d}, st.sampled_from([0.5, 30, 90, 365])),
    st.just({"for_ever": True}),
    st.builds(lambda n, p: {"last": n, "per": p}, st.integers(1, 3), st.sampled_from(list(Per))),
    st.builds(
        lambda n, p: {"within_bytes": n, "per": p}, st.integers(1, 6), st.sampled_from(list(Per))
    ),
    st.builds(
        lambda s, d: {"one_per_s": s, "after_days": d, "for_days": 60},
        st.sampled_from([60, 86_400]), st.sampled_from([0.5, 1]),
    ),
)  # fmt: skip
wheres = st.fixed_dictionaries(
    {},
    optional={
        "site": st.just(["harbour"]),
        "camera": st.just(["harbour/gate-a", "mill/gate-b"]),
        "city": st.just(["ulm"]),
        "kind": st.sampled_from([["frame"], ["frame", "job"]]),
        "label_status": st.sampled_from([["none"], ["unsure", "changed"]]),
        "classes": st.just(["person", "dog"]),
        "confidence_at_least": st.just(0.5),
        "confidence_below": st.just(0.6),
        "bytes_at_least": st.just(2),
        "bytes_below": st.just(3),
        "age_by": st.sampled_from(list(AgeBy)),
    },
)
policies_of = st.lists(
    st.builds(
        lambda name, keep, priority, where: policy(name, keep, priority, **where),
        st.sampled_from("abcdefgh"), keeps, st.sampled_from([50, 100, 200]), wheres,
    ),
    min_size=1, max_size=5, unique_by=(
        lambda one: one.name,
        lambda one: one.age_by + one.where.model_dump_json(exclude_none=True),
    ),
)  # fmt: skip


@settings(
    max_examples=120,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(pins=pins_of, policies=policies_of)
async def test_the_highest_priority_decides_and_among_equals_the_longest_keeping(
    pool: Pool, pins: list[Kept], policies: list[Policy]
) -> None:
    await pool.execute("TRUNCATE pinning.pins, pinning.bindings, pinning.blocks")
    await keep(pool, *pins, now=NOW)
    PolicySet(policies=policies)
    assert await judged(pool, policies) == expected(pins, policies)


async def test_a_pin_that_no_policy_is_about_has_no_verdict_and_stays(pool: Pool) -> None:
    await keep(pool, Kept(days=5000, kind="upload"), now=NOW)
    assert await judged(pool, [policy("frames", {"for_days": 1}, kind=["frame"])]) == {}


async def test_the_shipped_policies_are_those_of_the_requirements(pool: Pool) -> None:
    stored = await pool.fetchval("SELECT policies FROM pinning.policy_sets WHERE version = 1")
    shipped = PolicySet.model_validate({"policies": stored}).policies
    pins = await keep(
        pool,
        Kept(), Kept(label="unsure"), Kept(label="changed"), Kept(label="correct"),
        Kept(kind="job"), Kept(kind="job", completed_days=10), Kept(kind="upload"),
        now=NOW,
    )  # fmt: skip
    found = await judged(pool, shipped)
    kept_days = [
        None if pin.requestid not in found
        else None if (until := found[pin.requestid][1]) == EVER
        else round((until - NOW) / timedelta(days=1))
        for pin in pins
    ]  # fmt: skip
    assert kept_days == [90, 30, None, 730, None, 20, None]
    assert found[pins[2].requestid][0] == "changed"


@pytest.mark.parametrize("seed", range(3))
async def test_the_order_of_policies_in_the_set_does_not_matter(pool: Pool, seed: int) -> None:
    await keep(pool, *(Kept(days=day, label="unsure") for day in range(5)), now=NOW)
    policies = [
        policy("a", {"for_days": 30}, label_status=["unsure"]),
        policy("b", {"for_days": 30}, site=["harbour"]),
        policy("c", {"for_days": 10}, 200, camera=["harbour/gate-a"]),
        policy("d", {"last": 2}, 200, kind=["frame"]),
    ]
    usual = await judged(pool, policies)
    random.Random(seed).shuffle(policies)  # noqa: S311 - seeded: a failure can be repeated
    assert await judged(pool, policies) == usual
