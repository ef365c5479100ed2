"""Answers as people read them in a terminal."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from functools import singledispatch

from pinhole.contract.dry_runs import Amount, DryRun, PolicyVersion, PolicyVersions
from pinhole.contract.holds import Hold, Holds, Why
from pinhole.contract.message import Message
from pinhole.contract.policies import Policy
from pinning.retention.why import said


@singledispatch
def of(answer: Message) -> str:
    """Return an answer as text."""
    raise NotImplementedError(type(answer).__name__)


@of.register
def _versions(answer: PolicyVersions) -> str:
    rows = [
        (str(v.version), _at(v.applied_at), v.applied_by, str(v.policies), _force(v.enforced))
        for v in answer.versions
    ]
    return _table(("version", "applied", "by", "policies", ""), rows)


@of.register
def _version(answer: PolicyVersion) -> str:
    head = (
        f"version {answer.version}, applied {_at(answer.applied_at)} by {answer.applied_by}"
        f"{_force(answer.enforced)}"
    )
    if answer.confirmed:
        head += f"\nconfirmed until done: {', '.join(answer.confirmed)}"
    return f"{head}\n{_policies(answer.policies)}"


def _force(enforced: bool) -> str:  # noqa: FBT001 - a column
    return "" if enforced else " (not enforced: apply a dry run of it)"


def _policies(policies: Sequence[Policy]) -> str:
    rows = [
        (policy.name, str(policy.priority), said(policy), policy.age_by.value, _where(policy))
        for policy in policies
    ]
    return _table(("policy", "priority", "keep", "age by", "where"), rows)


def _where(policy: Policy) -> str:
    fields = policy.where.model_dump(mode="json", exclude_none=True).items()
    words = (
        f"{name}={','.join(value) if isinstance(value, list) else value}" for name, value in fields
    )
    return " ".join(words) or "everything"


@of.register
def _dry_run(answer: DryRun) -> str:
    rows = [
        (
            going.policy,
            f"{going.pins:,}",
            _bytes(going.size_bytes),
            f"{going.share:.1%}" + (" confirm!" if going.needs_confirmation else ""),
            " ".join(f"{str(example.cid)[:14]}…" for example in going.examples),
        )
        for going in answer.going
    ]
    lines = [
        _policies(answer.policies),
        "",
        f"of {_amount(answer.held)} held, {_amount(answer.going_in_all)} would go now",
        f"that frees {_bytes(answer.frees_bytes)}",
        _table(("because of", "pins", "bytes", "of all", "for example"), rows) if rows else "",
        f"holds save {_amount(answer.saved_by_holds)}",
        f"due for the archive: {_amount(answer.to_archive)}",
        _forecast(answer),
        "",
        f"nothing was removed. To apply it: pinhole policies apply {answer.dry_run}"
        + "".join(f" --confirm {g.policy}" for g in answer.going if g.needs_confirmation),
    ]
    return "\n".join(lines)


def _forecast(answer: DryRun) -> str:
    expected = answer.forecast
    rate = f"{_bytes(expected.arriving_bytes_per_day)} a day are coming"
    if expected.room_bytes is None:
        return rate
    full = "the room lasts more than ten years"
    if expected.days_until_full is not None:
        full = f"the disk is full in {expected.days_until_full:g} days"
    return f"{rate}, there is room for {_bytes(expected.room_bytes)}: {full}"


@of.register
def _hold(answer: Hold) -> str:
    held = f", {answer.pins:,} pins" if answer.pins is not None else ""
    lines = [
        f"{answer.kind} hold {answer.hold}: {answer.reason}",
        f"since {_at(answer.created_at)} by {answer.created_by}{held}",
    ]
    if answer.lifted_at is not None:
        because = f"{answer.lifted_by}: {answer.lifted_because}"
        lines.append(f"lifted {_at(answer.lifted_at)} by {because}")
    return "\n".join(lines)


@of.register
def _holds(answer: Holds) -> str:
    rows = [
        (
            hold.hold,
            hold.kind.value,
            "lifted" if hold.lifted_at else "active",
            _at(hold.created_at),
            hold.created_by,
            f"{hold.cids} CIDs" if hold.where is None else "a selection",
            hold.reason,
        )
        for hold in answer.holds
    ]
    return _table(("hold", "kind", "", "since", "by", "of", "reason"), rows)


@of.register
def _why(answer: Why) -> str:
    state = "kept" if answer.kept else "not kept"
    here = "at the hub" if answer.at_hub else "not at the hub"
    lines = [f"{answer.cid}: {state}, {here}, policies version {answer.policies_version}"]
    lines += [f"  {pin.owner} ({pin.status}): {pin.because}" for pin in answer.pins]
    lines += [
        f"  {gone.owner}: removed {_at(gone.removed_at)} by the policy {gone.policy} of version "
        f"{gone.version}"
        for gone in answer.departed
    ]
    return "\n".join(lines)


def _at(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M} UTC"


def _amount(amount: Amount) -> str:
    return f"{amount.pins:,} pins ({_bytes(amount.size_bytes)})"


def _bytes(count: float) -> str:
    """Return a size in powers of ten."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 1000:  # noqa: PLR2004 - the next unit
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return columns as wide as their widest word."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(f"{word:{width}}" for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )
