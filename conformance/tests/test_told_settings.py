"""A broker whose settings are not Kafka's defaults is held to its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from typing import cast

import pytest

from conformance import broker_settings
from conformance.broker_settings import as_told, need_brisk, plainly
from conformance.client import Client, Unsupported
from conformance.engine import Bench, cases_for, load_cases, run_cases
from conformance.results import Verdict
from conformance.targets.bundled import Bundled
from model.profiles import Profile, profile_named

SETTINGS = {
    "message.max.bytes": "2000000",
    "log.message.timestamp.type": "LogAppendTime",
    "compression.type": "gzip",
    "offset.metadata.max.bytes": "100",
    "transaction.max.timeout.ms": "60000",
    "socket.request.max.bytes": "2147483647",
    "min.insync.replicas": "2",
}
PROFILE = profile_named("3.9-kraft")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    load_cases()
    with Bundled(settings=SETTINGS) as target:
        found = Bench.on(target, PROFILE)
        yield found
        found.clean_up()


@pytest.mark.parametrize(
    "requirement", ["BAT-18", "BAT-20", "BAT-21", "BAT-34", "OFF-02", "OFF-03", "OFF-09", "IDM-21", "MET-65", "ACK-03"]
)
def test_it_conforms(bench: Bench, requirement: str) -> None:
    results = list(run_cases(cases_for([requirement]), bench))
    assert [(each.case, each.detail) for each in results if each.verdict is not Verdict.PASS] == []
    assert [mismatch for result in results for mismatch in result.beside] == []


def told(monkeypatch: pytest.MonkeyPatch, profile: Profile = PROFILE, **answer: str) -> Mapping[str, str]:
    """What is taken from an answer with these settings (with _ for a dot)."""
    said = {name.replace("_", "."): value for name, value in answer.items()}
    monkeypatch.setattr(broker_settings, "_ask", lambda *_: said)
    return as_told(profile, cast("Client", None)).told


def test_names_of_the_broker_become_those_of_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, message_max_bytes="7", num_partitions="3") == {
        "max.message.bytes": "7",
        "num.partitions": "3",
    }


def test_what_makes_no_sense_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, message_max_bytes="1 MB", num_partitions="", auto_create_topics_enable="maybe") == {}


def test_the_former_setting_for_both_sides_counts_until_4_0(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = "message.timestamp.before.max.ms", "message.timestamp.after.max.ms"
    both = "60000"
    assert told(monkeypatch, log_message_timestamp_difference_max_ms=both) == {before: "60000", after: "60000"}
    sides = {before: "5", after: "60000"}
    assert (
        told(monkeypatch, log_message_timestamp_before_max_ms="5", log_message_timestamp_difference_max_ms=both)
        == sides
    )
    assert told(monkeypatch, profile_named("4.1-kraft"), log_message_timestamp_difference_max_ms=both) == {}


def test_what_is_told_goes_before_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    assert PROFILE.value("max.message.bytes") == "1048588"
    monkeypatch.setattr(broker_settings, "_ask", lambda *_: {"message.max.bytes": "7", "compression.type": "zstd"})
    profile = as_told(PROFILE, cast("Client", None))
    assert profile.value("max.message.bytes") == "7"
    assert profile.defaults == PROFILE.defaults
    assert plainly(profile) == {"compression.type": "producer"}


@pytest.mark.parametrize(
    ("every_ms", "wanted"),
    [
        (["1000", "200"], ""),
        (["300000", "200"], "log.retention.check.interval.ms"),
        (["1", "15000"], "log.cleaner.backoff.ms"),
        (["often"], "log.retention.check.interval.ms=1000 or less, log.cleaner.backoff.ms"),
    ],
)
def test_nobody_waits_for_who_comes_by_too_seldom(
    monkeypatch: pytest.MonkeyPatch, every_ms: list[str], wanted: str
) -> None:
    names = ("log.retention.check.interval.ms", "log.cleaner.backoff.ms")
    said = dict(zip(names, every_ms, strict=False))
    monkeypatch.setattr(broker_settings, "_ask", lambda *_: said)
    with pytest.raises(Unsupported, match=wanted) if wanted else nullcontext():
        need_brisk(cast("Client", None))


def test_a_broker_that_tells_nothing_has_the_defaults() -> None:
    mute = cast("Client", Mute())
    assert as_told(PROFILE, mute).told == {}


class Mute(Client):
    """A client of a target that offers nothing."""

    def __init__(self) -> None:
        self.ranges = {}
