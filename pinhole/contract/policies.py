"""Retention policies: which pins they are about, and how long those are kept."""

from collections import Counter
from enum import StrEnum
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from pinhole.contract.ids import NAME_PATTERN, Name, is_name
from pinhole.contract.message import Message

MAX_POLICIES: Final = 100
MAX_WORDS: Final = 200
MAX_DAYS: Final = 36_500
"""A hundred years: whoever means longer means for ever."""

_WILDCARDS: Final = "*?%"


class LabelStatus(StrEnum):
    """A person's verdict on a frame's detections; `none` where nobody gave one."""

    CORRECT = "correct"
    CHANGED = "changed"
    UNSURE = "unsure"
    NONE = "none"


class AgeBy(StrEnum):
    """From when a pin's age counts."""

    RECEIVED = "received"
    CAPTURED = "captured"
    """When the camera says it was taken; `received` where that is not plausible."""
    COMPLETED = "completed"
    """When the job that it belongs to was completed; without that instant no such rule matches."""


class Per(StrEnum):
    """What "the last 1,000" and "within 10 GB" are counted over."""

    CAMERA = "camera"
    SITE = "site"
    ALL = "all"


def _word(text: str) -> str:
    if any(character in text for character in _WILDCARDS):
        raise ValueError(f"{text[:40]!r} has a wildcard: name each one, or leave the field out")
    if any(ord(character) < ord(" ") for character in text):
        raise ValueError(f"{text[:40]!a} has a character that cannot be stored")
    return text


def _camera(text: str) -> str:
    site, _, camera = _word(text).partition("/")
    if not (is_name(site) and is_name(camera)):
        raise ValueError(f"a camera is SITE/CAMERA, each {NAME_PATTERN}; got {text[:80]!r}")
    return text


def _storable(text: str) -> str:
    if any(ord(character) < ord(" ") and character not in "\n\t" for character in text):
        raise ValueError(f"{text[:40]!a} has a character that cannot be stored")
    if not text.strip():
        raise ValueError("a reason is needed, it is empty")
    return text.strip()


Word = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_word)]
SiteName = Annotated[str, AfterValidator(_word), Field(max_length=63)]
CameraPath = Annotated[str, Field(max_length=127), AfterValidator(_camera)]
Days = Annotated[float, Field(strict=True, gt=0, le=MAX_DAYS, allow_inf_nan=False)]
Sureness = Annotated[float, Field(strict=True, ge=0, le=1)]
Sentence = Annotated[str, Field(min_length=3, max_length=1000), AfterValidator(_storable)]
Words = Annotated[list[Word], Field(min_length=1, max_length=MAX_WORDS)]


class Selection(Message):
    """Which pins: every field that is given must fit, and a list fits by any of its words."""

    site: Annotated[list[SiteName], Field(min_length=1, max_length=MAX_WORDS)] | None = None
    camera: Annotated[list[CameraPath], Field(min_length=1, max_length=MAX_WORDS)] | None = None
    """Each `SITE/CAMERA`: a camera's name is unique within its site only."""
    city: Words | None = None
    kind: Words | None = None
    label_status: Annotated[list[LabelStatus], Field(min_length=1)] | None = None
    classes: Words | None = None
    """Classes detected; one of them suffices."""
    confidence_at_least: Sureness | None = None
    """Of the surest detection; a pin without detections fits neither bound."""
    confidence_below: Sureness | None = None
    bytes_at_least: Annotated[int, Field(strict=True, ge=0)] | None = None
    bytes_below: Annotated[int, Field(strict=True, ge=1)] | None = None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        for what, low, high in (
            ("confidence", self.confidence_at_least, self.confidence_below),
            ("bytes", self.bytes_at_least, self.bytes_below),
        ):
            if low is not None and high is not None and low >= high:
                raise ValueError(f"no pin has {what} at least {low:g} and below {high:g}")
        return self


class Keep(Message):
    """How long. Exactly one of: for_days, for_ever, last, within_bytes, one_per_s.

    `one_per_s` thins out: after `after_days` only the first of each such time stays, for
    `for_days` or for ever. `archive_after_days` goes with for_days and for_ever.
    """

    for_days: Days | None = None
    for_ever: Literal[True] | None = None
    last: Annotated[int, Field(strict=True, ge=1, le=10**9)] | None = None
    within_bytes: Annotated[int, Field(strict=True, ge=1, le=10**18)] | None = None
    per: Per | None = None
    one_per_s: Annotated[float, Field(strict=True, gt=0, le=366 * 86_400)] | None = None
    after_days: Days | None = None
    archive_after_days: Days | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        ways = [w for w in ("last", "within_bytes", "one_per_s") if getattr(self, w) is not None]
        if not ways or self.for_ever:
            ways += [w for w in ("for_days", "for_ever") if getattr(self, w) is not None]
        if len(ways) != 1:
            found = " and ".join(ways) or "nothing"
            raise ValueError(
                "say one of for_days, for_ever, last, within_bytes, one_per_s (one_per_s may "
                f"have for_days beside it); got {found}"
            )
        self._check_companions(ways[0])
        return self

    def _check_companions(self, way: str) -> None:
        counted, thinned = way in {"last", "within_bytes"}, way == "one_per_s"
        if counted and self.for_days is not None:
            raise ValueError(f"{way} and for_days contradict each other: write two policies")
        if thinned != (self.after_days is not None):
            raise ValueError("one_per_s and after_days come together")
        if self.per is not None and not (counted or thinned):
            raise ValueError(f"per goes with last, within_bytes and one_per_s, not with {way}")
        _check_order("after_days", self.after_days, self.for_days)
        if self.archive_after_days is not None and (counted or thinned):
            raise ValueError(f"archive_after_days goes with for_days and for_ever, not with {way}")
        _check_order("archive_after_days", self.archive_after_days, self.for_days)


def _check_order(what: str, first: float | None, last: float | None) -> None:
    if first is not None and last is not None and first >= last:
        raise ValueError(f"{what} is {first:g} and for_days is {last:g}: it goes before that")


class Policy(Message):
    """A rule: what it is about, and how long that is kept."""

    name: Name
    priority: Annotated[int, Field(strict=True, ge=0, le=1000)] = 100
    """The highest that fits a pin decides; among equals, whoever keeps longest."""
    where: Selection = Selection()
    age_by: AgeBy = AgeBy.RECEIVED
    keep: Keep


def agreeing(policies: list[Policy]) -> list[Policy]:
    """Return `policies`, which do not contradict each other.

    Raises:
        ValueError: two have one name, or are about the same pins.
    """
    names = Counter(policy.name for policy in policies)
    name, count = max(names.items(), key=lambda item: item[1], default=("", 0))
    if count > 1:
        raise ValueError(f"{count} policies are named {name!r}: a name is used once")
    seen: dict[str, str] = {}
    for policy in policies:
        about = policy.age_by + _sorted(policy.where).model_dump_json(exclude_none=True)
        if (other := seen.setdefault(about, policy.name)) != policy.name:
            raise ValueError(
                f"{other!r} and {policy.name!r} contradict each other: they are about the "
                "same pins, and only one of them can decide"
            )
    return policies


def _sorted(where: Selection) -> Selection:
    lists = {name: value for name, value in where if isinstance(value, list)}
    return where.model_copy(update={name: sorted(set(words)) for name, words in lists.items()})


Policies = Annotated[list[Policy], Field(max_length=MAX_POLICIES), AfterValidator(agreeing)]
"""Policies that do not contradict each other. A pin that none is about is kept for ever."""


class PolicySet(Message):
    """All policies there are."""

    policies: Policies
