"""Settings of topics: what they may be, and how they are changed."""

from __future__ import annotations

import pytest

from model.profiles import PROFILES, Profile, profile_named
from model.reference.administration import ConfigChange, ConfigEdit
from model.reference.configs import SETTINGS, Source, default_of, edited, is_own, is_valid
from model.reference.oracle import Context

CONTEXT = Context(profile_named("3.9-kraft"), version=1)


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
@pytest.mark.parametrize("key", SETTINGS)
def test_every_default_is_a_value_that_may_be_set(key: str, profile: Profile) -> None:
    assert is_valid(key, default_of(Context(profile, version=1), key), profile)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("no.such", "1"),
        ("retention.ms", "-2"),
        ("retention.ms", "1_000"),
        ("retention.ms", str(2**63)),
        ("segment.bytes", str(2**31)),
        ("cleanup.policy", "compact,shred"),
        ("preallocate", "1"),
        ("min.cleanable.dirty.ratio", "2"),
    ],
)
def test_values_that_may_not_be_set(key: str, value: str) -> None:
    assert not is_valid(key, value, CONTEXT.profile)


@pytest.mark.parametrize(("profile", "least"), [("3.9-kraft", 14), ("3.9-zk", 14), ("4.1-kraft", 1 << 20)])
def test_the_least_segment_differs_by_release(profile: str, least: int) -> None:
    assert is_valid("segment.bytes", str(least), profile_named(profile))
    assert not is_valid("segment.bytes", str(least - 1), profile_named(profile))


def test_lists_start_from_the_default() -> None:
    append = ConfigEdit(key="cleanup.policy", change=ConfigChange.APPEND, value="compact")
    assert edited({}, (append,), CONTEXT) == {"cleanup.policy": "delete,compact"}
    assert edited({"cleanup.policy": "compact"}, (append,), CONTEXT) == {"cleanup.policy": "compact"}


def test_what_is_not_named_stays() -> None:
    edits = (ConfigEdit(key="a", change=ConfigChange.DELETE), ConfigEdit(key="b", value="2"))
    assert edited({"a": "1", "c": "3"}, edits, CONTEXT) == {"b": "2", "c": "3"}


@pytest.mark.parametrize(
    ("key", "told", "source", "is_told"),
    [
        ("min.cleanable.dirty.ratio", "1.0", Source.DYNAMIC_TOPIC, True),
        ("min.cleanable.dirty.ratio", "0.9", Source.DYNAMIC_TOPIC, False),
        ("min.cleanable.dirty.ratio", "1", Source.DEFAULT, False),
        ("min.cleanable.dirty.ratio", "one", Source.DYNAMIC_TOPIC, False),
        ("min.cleanable.dirty.ratio", None, Source.DYNAMIC_TOPIC, False),
        ("retention.ms", "1.0", Source.DYNAMIC_TOPIC, False),
        ("its.own", "1.0", Source.DYNAMIC_TOPIC, False),
        ("its.own", "1", Source.DYNAMIC_TOPIC, True),
    ],
)
def test_a_double_may_be_told_as_another_text(key: str, told: str | None, source: Source, *, is_told: bool) -> None:
    assert is_own({key: (told, source)}, key, "1") is is_told
    assert not is_own({}, key, "1")
