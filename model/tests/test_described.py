"""What a topic inherits is held to what the broker said of itself."""

from __future__ import annotations

import pytest

from model.profiles import profile_named
from model.reference.administration import ConfigQuestion, DescribeConfigs
from model.reference.configs import Source
from model.reference.described import value_of_broker
from model.reference.errors import ErrorCode
from model.reference.oracle import Context, allowed
from model.reference.state import Cluster, Partition, Topic

CONTEXT = Context(profile_named("3.9-kraft"), version=1)
BROKER = {"log.segment.bytes": "2097152", "log.roll.hours": "5", "log.retention.hours": "168"}
CLUSTER = Cluster(topics={"t": Topic("t", (Partition(),))}, broker_config=BROKER)
SYNONYM = ("log.segment.bytes", "2097152", Source.STATIC_BROKER)
DEFAULT = ("log.segment.bytes", "1073741824", Source.DEFAULT)


def broken(cluster: Cluster, key: str, told: tuple[str, int], *synonyms: tuple[str, str, int]) -> set[str]:
    """The requirements that are broken by telling a setting so."""
    asked = DescribeConfigs(resources=(ConfigQuestion(name="t", keys=(key,)),), include_synonyms=bool(synonyms))
    (_, section) = allowed(cluster, asked, CONTEXT)
    seen = {"error": ErrorCode.NONE, "configs": {key: told}, "synonyms": {key: synonyms}}
    expects = section.choices[0].expects
    return {each.requirement for each in expects if not each.allowed.admits(seen[each.field])}


@pytest.mark.parametrize(
    ("key", "value"),
    [("segment.bytes", "2097152"), ("segment.ms", "18000000"), ("retention.ms", "604800000"), ("flush.ms", None)],
)
def test_the_broker_s_value_in_the_topic_s_units(key: str, value: str | None) -> None:
    assert value_of_broker(CLUSTER, key) == value


@pytest.mark.parametrize(
    ("told", "is_right"),
    [
        (("2097152", Source.STATIC_BROKER), True),
        (("7", Source.STATIC_BROKER), False),
        (("1073741824", Source.DEFAULT), False),
        (("2097152", Source.DEFAULT), False),
        (("2097152", Source.DYNAMIC_TOPIC), False),
    ],
)
def test_what_is_inherited(told: tuple[str, int], is_right: bool) -> None:
    assert broken(CLUSTER, "segment.bytes", told) == (set() if is_right else {"MET-41"})


def test_a_broker_that_told_nothing_is_free_but_for_the_default() -> None:
    silent = Cluster(topics=CLUSTER.topics)
    assert broken(silent, "segment.bytes", ("7", Source.STATIC_BROKER)) == set()
    assert broken(silent, "segment.bytes", ("7", Source.DEFAULT)) == {"MET-41"}


@pytest.mark.parametrize(
    ("synonyms", "is_right"),
    [
        ((SYNONYM, DEFAULT), True),
        ((SYNONYM,), True),
        ((DEFAULT, SYNONYM), False),
        ((DEFAULT,), False),
        ((("segment.bytes", "2097152", Source.STATIC_BROKER),), False),
        ((("log.segment.bytes", "7", Source.STATIC_BROKER), DEFAULT), False),
        ((SYNONYM, ("log.segment.bytes", "7", Source.DEFAULT)), False),
    ],
)
def test_synonyms(synonyms: tuple[tuple[str, str, int], ...], is_right: bool) -> None:
    told = ("2097152", Source.STATIC_BROKER)
    assert broken(CLUSTER, "segment.bytes", told, *synonyms) == (set() if is_right else {"MET-44"})
