"""Elections of a lone broker: what a second one must have seen, and that it goes again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from conformance.case import Run
from conformance.elections import epoch_of, lead_anew
from conformance.engine import Bench
from conformance.targets import probe
from conformance.targets.apache_kafka import NODE_ID, ApacheKafka
from conformance.targets.base import Address, TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.probe import View
from conformance.targets.process_target import ProcessTarget
from conformance.targets.tests.stub_broker import write_stub
from conformance.targets.witness import WITNESS_ID, WitnessedFaults, has_seen_it_off, is_alone_again
from model.profiles import profile_named

OWN, OTHER = Address("127.0.0.1", 1), Address("127.0.0.1", 2)
BOTH = {NODE_ID: OWN, WITNESS_ID: OTHER}


def view(brokers: dict[int, Address], controller: int, *leaders: int) -> View:
    return View(brokers, controller, {"t": leaders} if leaders else {})


@pytest.mark.parametrize(
    ("seen", "is_off"),
    [
        (view({}, -1), False),
        (view({WITNESS_ID: OTHER}, WITNESS_ID), True),
        (view({WITNESS_ID: OTHER}, WITNESS_ID, -1, -1), True),
        (view({WITNESS_ID: OTHER}, WITNESS_ID, -1, NODE_ID), False),
        (view(BOTH, WITNESS_ID, -1, -1), False),
    ],
)
def test_when_the_broker_is_seen_off(seen: View, is_off: bool) -> None:
    assert has_seen_it_off(seen) is is_off


@pytest.mark.parametrize(
    ("seen", "is_alone"),
    [
        (view({NODE_ID: OWN}, NODE_ID), True),
        (view({NODE_ID: OWN}, WITNESS_ID), False),
        (view({NODE_ID: OWN}, -1), False),
        (view(BOTH, NODE_ID), False),
    ],
)
def test_when_the_broker_is_alone_again(seen: View, is_alone: bool) -> None:
    assert is_alone_again(seen, NODE_ID) is is_alone


class FakeWitness:
    """Notes whether the broker ran when the witness came, and when it went."""

    def __init__(self, target: ProcessTarget) -> None:
        self.target = target
        self.seen: list[bool] = []

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.seen.append(self.target.broker.alive)
        try:
            yield
        finally:
            self.seen.append(self.target.broker.alive)


def with_witness(source: Path) -> tuple[ProcessTarget, FakeWitness]:
    target = Bundled(source=source)
    witness = FakeWitness(target)
    target.faults = WitnessedFaults(target, witness)
    return target, witness


def test_the_witness_is_there_while_the_broker_is_not(tmp_path: Path) -> None:
    target, witness = with_witness(write_stub(tmp_path))
    with target:
        before = target.broker.pid
        target.faults.do("elect", 1)
        assert witness.seen == [False, True]
        assert target.broker.pid != before
        target.faults.do("restart", 1)
        assert witness.seen == [False, True]


def test_the_witness_goes_when_the_broker_does_not_come_back(tmp_path: Path) -> None:
    once = "import pathlib, sys\nif pathlib.Path(sys.argv[2], 'starts').exists(): sys.exit('not again')"
    target, witness = with_witness(write_stub(tmp_path, before=once))
    with target:
        with pytest.raises(TargetError, match="not again"):
            target.faults.do("elect", 1)
        assert witness.seen == [False, False]


def test_others_offer_no_election(tmp_path: Path) -> None:
    target = Bundled(source=write_stub(tmp_path))
    with target, pytest.raises(TargetError, match="can't 'elect'"):
        target.faults.do("elect", 1)
    assert "elect" in ApacheKafka("3.9-zk").faults.actions
    assert "elect" not in ApacheKafka("3.9-kraft").faults.actions


class FakeRun:
    """A case's run that has one topic, whose epoch grows with some actions."""

    def __init__(self, *actions: str) -> None:
        self.actions = actions
        self.done: list[str] = []

    def can(self, action: str) -> bool:
        return action in self.actions

    def do(self, action: str) -> None:
        self.done.append(action)


@pytest.mark.parametrize(("actions", "taken"), [(("restart", "elect"), "elect"), (("restart",), "restart")])
def test_the_targets_own_way_to_an_election_comes_first(
    actions: tuple[str, ...], taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = FakeRun(*actions)
    monkeypatch.setattr("conformance.elections.epoch_of", lambda run, topic: len(run.done))
    lead_anew(run, "t")  # type: ignore[arg-type]
    assert run.done == [taken]


def witnesses(target: ApacheKafka) -> list[int]:
    """The process ids of the witnesses that run."""
    return [child.pid for child in target._helpers if child.what == "the witness" and child.pid is not None]


@pytest.mark.real("kafka-3.9")
def test_an_election_with_zookeeper() -> None:
    with ApacheKafka("3.9-zk") as target:
        bench = Bench.on(target, profile_named("3.9-zk"))
        run = Run(bench.client, bench.profile, bench.names)
        topic = run.topic(partitions=2)
        epochs = [epoch_of(run, topic)]
        for action in ("restart", "elect", "elect"):
            run.do(action)
            epochs.append(epoch_of(run, topic))
            assert not witnesses(target)
            assert target.bootstrap == (probe.brokers(target.bootstrap[0])[NODE_ID],)
        assert epochs == [0, 0, 2, 4]
        later = run.topic()
        assert probe.view(target.bootstrap[0]).leaders == {topic: (NODE_ID, NODE_ID), later: (NODE_ID,)}
        bench.clean_up()


@pytest.mark.real("kafka-3.9")
def test_an_election_that_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        assert len(witnesses(target)) == 1
        raise KeyboardInterrupt

    with ApacheKafka("3.9-zk") as target:
        with monkeypatch.context() as patch:
            patch.setattr(target, "start_broker", interrupt)
            with pytest.raises(KeyboardInterrupt):
                target.faults.do("elect", NODE_ID)
        assert not witnesses(target)
        target.faults.do("start", NODE_ID)
        target.faults.do("elect", NODE_ID)
        assert not witnesses(target)
