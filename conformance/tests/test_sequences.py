"""Generated sequences: what their steps lead to, and how a run of them begins and ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import evolve

from conformance.engine import Bench
from conformance.history import explain as searching
from conformance.history.explain import Event
from conformance.machines import registered
from conformance.machines.actor import FAULT, Actor, Violation
from conformance.machines.fuzz import NOT_NEEDED, FuzzReport, run
from conformance.machines.generate_history import NAMES, epoch_of
from conformance.machines.machine import Trouble
from conformance.machines.restarting import fault_to_do
from conformance.machines.script import Script
from conformance.machines.sequences import replay, run_family
from conformance.machines.steps import KINDS, Step
from conformance.results import Verdict
from conformance.session import Answered
from conformance.targets.bundled import Bundled
from conformance.wire.errors import ConnectionClosed
from model.profiles import profile_named
from model.reference.administration import DescribeConfigs
from model.reference.operations import DeleteRecords, Fetch, ListOffsets, ListOffsetsPart, Produce
from model.reference.outcomes import OUTCOMES
from model.reference.state import Partition

registered.load()


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bundled() as target:
        yield Bench.on(target, profile_named("3.9-kraft"))


def reached(bench: Bench, *steps: Step) -> set[str]:
    """The outcomes that these steps come to, one after the other."""
    actor, violation = replay(bench, Script(tuple((step,) for step in steps)), frozenset())
    assert violation is None
    return set(actor.reached)


def step(kind: str, **arguments: Any) -> Step:
    """A step, with the first of whatever is not said (place 0, no flag)."""
    return Step(kind, {**dict.fromkeys(KINDS[kind].arguments, 0), **arguments})


def asks(epoch_place: int) -> Step:
    return step("end_of_epoch", old=True, asked=epoch_place, epoch="none")


def test_what_earlier_leaders_wrote_is_asked_for(bench: Bench) -> None:
    found = reached(
        bench,
        step("produce_everywhere", count=2),
        step(FAULT, action="restart"),
        step(FAULT, action="restart"),
        step("produce_everywhere", count=3),
        asks(0),
        step("end_of_every_epoch"),
        step("read_after_epoch", old=True, ahead=2, epoch="none"),
        step("list_end", what=-1, epoch="older"),
        step("delete_records", back=1, choice=""),
        step("end_of_epoch", asked=0, epoch="none"),
    )
    assert {
        "offset_for_leader_epoch.past",
        "offset_for_leader_epoch.skipped",
        "offset_for_leader_epoch.before_all",
        "fetch.diverged",
        "leader_epoch.fenced",
    } <= found


def test_an_epoch_that_is_told_nowhere_is_asked_for(bench: Bench) -> None:
    actor = Actor(bench)
    actor.session.highest = False
    actor.act([step("produce_everywhere", count=1)])
    actor.act([asks(0)])
    actor.leave()
    assert "offset_for_leader_epoch.untold" in actor.reached


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ([step("list_among_deleted", batches=6, back=1, greatest=True)], "list_offsets.greatest_deleted"),
        ([step("list_among_deleted", batches=6, back=1, after_ms=20)], "list_offsets.segment_spent"),
        ([step("list_untold")], "list_offsets.untold"),
        ([step("produce_for_character", claim="too_large", fitting=True)], "produce.too_large"),
        ([step("produce_for_character", claim="no_key", fitting=True)], "produce.no_key"),
        ([step("produce_everywhere", count=1), step("fetch_everything", most=1, most_each=1)], "fetch.no_room"),
        ([step("delete_nothing_of_the_brokers")], "delete_records.internal"),
        ([step("locate_keys", client="murmur2", keys=["a", "b"])], "keys.located"),
        ([step("commit", offset=3, metadata="", member=""), step("observe_lag", known=True)], "lag.seen"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_is_rare_is_come_to_on_purpose(bench: Bench, steps: list[Step], outcome: str) -> None:
    assert outcome in reached(bench, *steps)


def test_a_changed_setting_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker of KRaft hears of it from its controller, some milliseconds after the answer."""
    actor = Actor(bench)
    actor.act([step("describe_settings")])
    before = actor.last[0].outcome
    reading, stale = actor._read, [before]

    def read(under_way: Any) -> list[Event]:
        events = reading(under_way)
        if stale and isinstance(events[0].sent.operation, DescribeConfigs):
            return [evolve(events[0], outcome=stale.pop())]
        return events

    monkeypatch.setattr(actor, "_read", read)
    actor.act([step("change_setting", value="604800001")])
    actor.leave()
    assert not stale
    assert {"alter_configs.altered", "describe_configs.topic"} <= set(actor.reached)
    assert actor.reached["describe_configs.topic"] == 2


def test_epochs_are_taken_by_their_place_around_those_that_are_kept() -> None:
    kept = Partition(log_end_offset=9, leader_epoch=5, epoch_starts=((3, 0), (5, 4)))
    assert [epoch_of(kept, place) for place in range(6)] == [2, 3, 4, 5, 6, 2]
    assert epoch_of(Partition(), 0) == 0


def test_a_fault_is_amid_the_steps_that_show_what_it_did() -> None:
    before, meanwhile, afterwards = asks(0), asks(1), asks(2)
    trouble = Trouble("kill", 3, again=True, before=before, afterwards=(afterwards, afterwards))
    kill, restart = (Step(FAULT, {"action": action}) for action in ("kill", "restart"))
    assert trouble.around([meanwhile]) == [[before], [kill, meanwhile], [restart], [afterwards], [afterwards]]
    assert set(NAMES) <= KINDS.keys()


def test_a_broker_whose_log_starts_were_raised_is_not_killed(bench: Bench) -> None:
    actor = Actor(bench)
    actor.act([step("produce_everywhere", count=2)])
    assert fault_to_do("kill", actor.world.cluster, ()) == "kill"
    assert fault_to_do("kill", actor.world.cluster, (DeleteRecords(parts=()),)) == "restart"
    actor.act([step("delete_records", back=1, choice="")])
    assert fault_to_do("kill", actor.world.cluster, ()) == "restart"
    assert fault_to_do("elect", actor.world.cluster, ()) == "elect"
    actor.leave()


def test_how_long_an_answer_took_is_not_known_when_the_broker_was_away(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = Actor(bench)
    actor.act([step("produce_everywhere", count=1)])
    reading = actor._read

    def read(under_way: Any) -> list[Event]:
        late = Answered(({"error": 0, "waited_ms": 60_000.0},))
        return [
            evolve(event, outcome=evolve(late, sections=(*late.sections, *event.outcome.sections[1:])))
            if isinstance(event.sent.operation, Fetch) and isinstance(event.outcome, Answered)
            else event
            for event in reading(under_way)
        ]

    monkeypatch.setattr(actor, "_read", read)
    monkeypatch.setattr(actor, "_break", lambda _action: None)
    monkeypatch.setattr(actor, "_after_fault", lambda _action: None)
    everything = step("fetch_everything", most=1 << 20, most_each=1 << 20)
    actor.act([step(FAULT, action="restart"), everything])
    with pytest.raises(Violation, match="waited_ms"):
        actor.act([everything])
    actor.leave()


def test_what_can_not_be_sent_takes_along_what_was_under_way_on_its_link(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    actor = Actor(bench, frozenset())
    actor.act([step("produce", acks=0, count=1)])
    assert [sent.in_turn for world in actor.worlds for sent in world.pending] == [True]
    link = actor.session.client.connection("c0", actor.session.client.any_broker())

    def fail(*_arguments: Any) -> None:
        raise ConnectionClosed("for the test's sake")

    monkeypatch.setattr(type(link), "send", fail)
    actor.perform([(ListOffsets(parts=(ListOffsetsPart(topic=actor.topics[0]),)), 0)])
    actor.leave()
    (world,) = actor.worlds
    assert [sent.in_turn for sent in world.pending if isinstance(sent.operation, Produce)] == [False], "lost?"


def test_a_sequence_that_nobody_can_account_for_ends_early(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "STATES_MOST", 0)
    (result,) = run_family("ACK", bench, 2, seed=1)
    assert result.verdict is Verdict.NOT_RUN
    assert "given up undecided: more than 0 possible orders" in result.detail


def test_what_was_committed_for_a_deleted_topic_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    actor = Actor(bench, frozenset())
    asked: list[Any] = []
    actor.act([step("commit", offset=3, metadata="", member="")])
    monkeypatch.setattr(actor, "see", asked.append)
    (name,) = actor.topics
    actor.remove_topic(name)
    actor.leave()
    assert [each.groups[0].partitions for each in asked] == [((name, 0),)]


def test_a_run_ends_when_time_is_up(bench: Bench) -> None:
    started = time.monotonic()
    report = run(bench, minutes=0.03, seed=1, faults=False, database=None)
    assert report.script is None
    assert report.operations > 0
    assert time.monotonic() - started < 20


def test_what_a_broker_need_not_have_is_no_gap() -> None:
    assert NOT_NEEDED.keys() < OUTCOMES.keys()
    report = FuzzReport(1, 1, 1.0, frozenset(OUTCOMES.keys() - NOT_NEEDED.keys() - {"fetch.records"}), (), None)
    assert report.never_reached == ("fetch.records",)
