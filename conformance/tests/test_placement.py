"""Several brokers: topics are placed on one, faults are done to it, and any address that answers will do."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from conformance.case import Run
from conformance.client import KEPT, Client
from conformance.names import Names
from conformance.placement import groups_together, made_with_settings, replicas_of_new, topic_spec
from conformance.session import Answered, Outcome
from conformance.targets.base import Address
from conformance.wire.connection import Connection
from conformance.wire.errors import Unreachable
from model.profiles import profile_named
from model.reference.errors import ErrorCode
from model.reference.state import Cluster, Partition, Topic

ONE, TWO = Address("127.0.0.1", 1), Address("127.0.0.1", 2)
CREATED = Answered(({}, {"error": ErrorCode.NONE}))
REFUSED = Answered(({}, {"error": ErrorCode.INVALID_CONFIG}))
PROFILE = profile_named("3.9-kraft")


def client(*, several: bool = True, **more: Any) -> Client:
    return cast(
        "Client", SimpleNamespace(home=7, has_several_brokers=several, kept=KEPT, overdue=set(), ranges={}, **more)
    )


def test_a_topic_is_placed_on_the_home_broker() -> None:
    spec = topic_spec(client(), "t", 2, {"segment.bytes": "1000"})
    assert (spec.partitions, spec.replication_factor) == (-1, -1)
    assert spec.assignments == ((0, (7,)), (1, (7,)))
    assert spec.config == {"retention.ms": "-1", "segment.bytes": "1000"}


@pytest.mark.parametrize(("several", "placed"), [(False, True), (True, False)])
def test_nothing_is_placed_on_the_only_broker_or_where_it_is_not_to_be(several: bool, placed: bool) -> None:
    spec = topic_spec(client(several=several), "t", 2, {}, placed=placed)
    assert (spec.partitions, spec.replication_factor, spec.assignments) == (2, 1, ())


def test_new_partitions_are_placed_where_there_are_any() -> None:
    assert replicas_of_new(client(), 2) == ((7,), (7,))
    assert replicas_of_new(client(), -1) is None


def attempts(user: Client, *outcomes: Outcome) -> list[dict[str, str]]:
    """How a topic was set at each attempt, when these outcomes came of them."""
    tried: list[dict[str, str]] = []

    def attempt() -> Outcome:
        tried.append(dict(user.kept))
        return outcomes[len(tried) - 1]

    assert made_with_settings(user, attempt, lambda made: [made]) is outcomes[len(tried) - 1]
    return tried


def test_a_refused_setting_is_given_up() -> None:
    user = client()
    assert attempts(user, REFUSED, CREATED) == [dict(KEPT), {}]
    assert attempts(user, REFUSED) == [{}]


def test_a_setting_that_was_not_the_trouble_is_kept() -> None:
    user = client()
    assert attempts(user, REFUSED, REFUSED) == [dict(KEPT), {}]
    assert attempts(user, CREATED) == [dict(KEPT)]


def test_groups_of_one_request_have_one_coordinator() -> None:
    names = Names("x")
    spread = client(coordinator=lambda group: int(group[-1]) % 2)
    assert groups_together(spread, names, 3) == ("x-g-1", "x-g-3", "x-g-5")


class Reached(Client):
    """A client of two addresses, of which some can be reached."""

    def __init__(self, *reachable: Address) -> None:
        self.target = cast("Any", SimpleNamespace(bootstrap=(ONE, TWO)))
        self.brokers, self.home = {}, -1
        self.reachable = reachable
        self.tried: list[Address] = []

    def _connect(self, address: Address) -> Connection:
        self.tried.append(address)
        if address not in self.reachable:
            raise Unreachable(f"no connection to {address}")
        return cast("Connection", SimpleNamespace(close=lambda: None, address=address))


def test_every_address_is_tried() -> None:
    user = Reached(TWO)
    with user.fresh() as connection:
        assert cast("Any", connection).address == TWO
    assert user.tried == [ONE, TWO]


def test_the_home_broker_is_tried_first() -> None:
    user = Reached(ONE, TWO)
    user.brokers, user.home = {1: ONE, 2: TWO}, 2
    with user.fresh() as connection:
        assert cast("Any", connection).address == TWO


def test_no_address_can_be_reached() -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1:2"), Reached().fresh():
        pass


def test_a_fault_is_done_to_the_broker_that_leads_and_only_its_partitions_are_led_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[tuple[str, int]] = []
    faults = SimpleNamespace(actions={"restart"}, do=lambda action, broker: done.append((action, broker)))
    user = client(
        target=SimpleNamespace(faults=faults),
        leader_epochs=lambda _topics: {("here", 0): 4, ("there", 0): 5},
        is_at_home=lambda topic, _index: topic == "here",
        forget=lambda: None,
    )
    run = Run(user, PROFILE, Names("x"))
    monkeypatch.setattr(run, "_await_leaders", lambda _newer: None)
    led = (Partition(leader_epoch=4),)
    run.cluster = Cluster(topics={name: Topic(name, led) for name in ("here", "there")})
    run.do("restart")
    assert done == [("restart", 7)]
    assert run.cluster.topics["here"].partitions[0].leader_epoch is None
    assert run.cluster.topics["there"].partitions[0].leader_epoch == 4
