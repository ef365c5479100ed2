"""Policies that cannot be meant are refused in a sentence that names the value and the limit."""

from typing import Any

import pytest
from pydantic import ValidationError

from pinhole.contract.policies import Policy, PolicySet


def _policy(**fields: Any) -> Policy:
    return Policy.model_validate({"name": "one", "keep": {"for_days": 30}, **fields})


@pytest.mark.parametrize(
    ("where", "sentence"),
    [
        ({"sites": ["harbour"]}, "Extra inputs are not permitted"),
        ({"*": ["harbour"]}, "Extra inputs are not permitted"),
        ({"site": ["*"]}, "'*' has a wildcard: name each one, or leave the field out"),
        ({"classes": ["car", "per%"]}, "has a wildcard"),
        ({"kind": ["fr?me"]}, "has a wildcard"),
        ({"site": []}, "at least 1 item"),
        ({"site": "harbour"}, "valid list"),
        ({"kind": [""]}, "at least 1 character"),
        ({"kind": ["a\0b"]}, "a character that cannot be stored"),
        ({"camera": ["gate-a"]}, "a camera is SITE/CAMERA"),
        ({"camera": ["harbour/Gate A"]}, "a camera is SITE/CAMERA"),
        ({"label_status": ["maybe"]}, "'correct', 'changed', 'unsure' or 'none'"),
        ({"confidence_at_least": 1.5}, "less than or equal to 1"),
        ({"confidence_at_least": 0.8, "confidence_below": 0.2}, "at least 0.8 and below 0.2"),
        ({"bytes_at_least": 10, "bytes_below": 10}, "at least 10 and below 10"),
        ({"bytes_at_least": -1}, "greater than or equal to 0"),
        ({"bytes_at_least": False}, "valid integer"),
        ({"confidence_below": "0.5"}, "valid number"),
    ],
)
def test_a_selection_that_cannot_be_is_refused(where: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _policy(where=where)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("keep", "sentence"),
    [
        ({}, "say one of for_days, for_ever"),
        ({"for_days": -1}, "greater than 0"),
        ({"for_days": 0}, "greater than 0"),
        ({"for_days": 36_501}, "less than or equal to 36500"),
        ({"for_days": float("nan")}, "finite number"),
        ({"for_days": float("inf")}, "finite number"),
        ({"for_days": 30, "for_ever": True}, "got for_days and for_ever"),
        ({"for_ever": False}, "True"),
        ({"last": 10, "within_bytes": 10}, "got last and within_bytes"),
        ({"last": 10, "for_ever": True}, "got last and for_ever"),
        ({"last": 0}, "greater than or equal to 1"),
        ({"last": 10, "for_days": 3}, "last and for_days contradict each other"),
        ({"within_bytes": -5}, "greater than or equal to 1"),
        ({"one_per_s": 60}, "one_per_s and after_days come together"),
        ({"for_days": 3, "after_days": 1}, "one_per_s and after_days come together"),
        ({"one_per_s": 60, "after_days": 5, "for_days": 3}, "after_days is 5 and for_days is 3"),
        ({"for_days": 30, "archive_after_days": 30}, "it goes before that"),
        ({"last": 3, "archive_after_days": 30}, "not with last"),
        ({"for_days": 3, "per": "site"}, "per goes with"),
        ({"last": 3, "per": "city"}, "'camera', 'site' or 'all'"),
        ({"for_years": 3}, "Extra inputs are not permitted"),
    ],
)
def test_a_keeping_that_contradicts_itself_is_refused(keep: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        _policy(keep=keep)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"name": "Old frames"}, "String should match pattern"),
        ({"priority": -1}, "greater than or equal to 0"),
        ({"priority": 1001}, "less than or equal to 1000"),
        ({"age_by": "mtime"}, "'received', 'captured' or 'completed'"),
        ({"until": "2030-01-01"}, "Extra inputs are not permitted"),
    ],
)
def test_a_policy_with_a_field_that_is_wrong_is_refused(
    fields: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        _policy(**fields)
    assert sentence in str(caught.value)


def _set(*policies: dict[str, Any]) -> PolicySet:
    return PolicySet.model_validate({"policies": policies})


def test_policies_about_the_same_pins_contradict_each_other() -> None:
    a = {"name": "a", "where": {"site": ["x", "y"]}, "keep": {"for_days": 3}}
    b = {"name": "b", "where": {"site": ["y", "x"]}, "keep": {"for_ever": True}, "priority": 7}
    with pytest.raises(ValidationError, match="'a' and 'b' contradict each other"):
        _set(a, b)
    _set(a, {**b, "age_by": "completed"})
    _set(a, {**b, "where": {"site": ["x"]}})


def test_a_name_is_used_once() -> None:
    a = {"name": "a", "keep": {"for_days": 3}}
    with pytest.raises(ValidationError, match="2 policies are named 'a'"):
        _set(a, {**a, "where": {"site": ["x"]}})


def test_every_way_of_keeping_can_be_said() -> None:
    for keep in (
        {"for_days": 0.5},
        {"for_ever": True},
        {"for_ever": True, "archive_after_days": 365},
        {"for_days": 730, "archive_after_days": 365},
        {"last": 1000},
        {"within_bytes": 10**12, "per": "all"},
        {"one_per_s": 60, "after_days": 1},
        {"one_per_s": 60, "after_days": 1, "for_days": 90, "per": "site"},
    ):
        assert _policy(keep=keep).model_dump(exclude_none=True)["keep"] == keep
