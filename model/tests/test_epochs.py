"""Leader epochs: where they end, who is fenced, and whose log has diverged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.profiles import profile_named
from model.reference import epochs
from model.reference.errors import ErrorCode
from model.reference.operations import FetchPart, OffsetForLeaderEpoch, OffsetForLeaderEpochPart
from model.reference.oracle import Context, allowed
from model.reference.outcomes import judge
from model.reference.restart import restarted
from model.reference.state import Cluster, Partition, Topic

STARTS = ((2, 0), (4, 10), (7, 25))
PARTITION = Partition(log_end_offset=30, leader_epoch=7, epoch_starts=STARTS, current_epoch_start=25)


def at_start(offset: int) -> Partition:
    return Partition(log_start_offset=offset, log_end_offset=30, leader_epoch=7, epoch_starts=STARTS)


@pytest.mark.parametrize(
    ("epoch", "end"),
    [
        (-1, (-1, -1)),
        (0, (0, 0)),
        (2, (2, 10)),
        (3, (2, 10)),
        (4, (4, 25)),
        (6, (4, 25)),
        (7, (7, 30)),
        (8, (-1, -1)),
    ],
)
def test_where_an_epoch_ended(epoch: int, end: tuple[int, int]) -> None:
    assert epochs.end_of(PARTITION, epoch) == end


@pytest.mark.parametrize(
    ("start", "kept"),
    [
        (0, STARTS),
        (5, ((2, 5), (4, 10), (7, 25))),
        (10, ((4, 10), (7, 25))),
        (12, ((4, 12), (7, 25))),
        (30, ((7, 30),)),
    ],
)
def test_epochs_that_began_before_the_log_does_are_one(start: int, kept: tuple[tuple[int, int], ...]) -> None:
    assert epochs.kept(at_start(start)) == kept


def test_an_epoch_that_was_deleted_ends_where_the_log_starts() -> None:
    assert epochs.end_of(at_start(12), 2) == (2, 12)


@pytest.mark.parametrize(("beside", "requirement"), [("t", "EPO-10"), ("missing", "EPO-16")])
def test_an_unknown_partition_must_not_cost_the_others_their_answer(beside: str, requirement: str) -> None:
    cluster = Cluster({"t": Topic("t", (PARTITION,))})
    parts = tuple(OffsetForLeaderEpochPart(topic=name, partition=0, leader_epoch=7) for name in ("t", beside))
    context = Context(profile_named("3.9-kraft"), version=4)
    section = allowed(cluster, OffsetForLeaderEpoch(parts=parts), context)[1]
    refused = {"error": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, "leader_epoch": 7, "end_offset": -1}
    assert {each.requirement for each in judge(section, refused).mismatches if each.field == "error"} == {requirement}
    assert not judge(section, {"error": ErrorCode.NONE, "leader_epoch": 7, "end_offset": 30}).mismatches


@given(st.integers(0, 30), st.integers(-1, 9))
def test_an_end_is_never_before_the_log_nor_after_it(start: int, epoch: int) -> None:
    found, end = epochs.end_of(at_start(start), epoch)
    assert (found, end) == epochs.UNDEFINED or (found <= epoch and start <= end <= 30)


@pytest.mark.parametrize(("offset", "epoch"), [(0, 2), (9, 2), (10, 4), (24, 4), (25, 7), (30, 7)])
def test_the_epoch_of_a_record(offset: int, epoch: int) -> None:
    assert epochs.epoch_at(PARTITION, offset) == epoch


def test_the_epoch_is_not_known_after_a_restart_until_it_is_told() -> None:
    cluster = Cluster().with_topic(Topic("t", (PARTITION,)))
    (partition,) = restarted(cluster, [("t", 0)], is_elected=True).topics["t"].partitions
    assert epochs.epoch_at(partition, 29) == 7
    assert epochs.epoch_at(partition, 30) is None
    assert epochs.fenced(partition, 7) is None
    again = epochs.learned(partition, 9)
    assert again.epoch_starts == (*STARTS, (9, 30))
    assert not again.is_led_anew


def test_an_epoch_that_outlived_a_restart_goes_on() -> None:
    cluster = Cluster().with_topic(Topic("t", (PARTITION,)))
    (partition,) = restarted(cluster, [("t", 0)]).topics["t"].partitions
    assert epochs.learned(partition, 7).epoch_starts == STARTS


def test_an_epoch_without_records_is_forgotten() -> None:
    empty = epochs.learned(Partition(), 0)
    assert empty.epoch_starts == ((0, 0),)
    cluster = restarted(Cluster().with_topic(Topic("t", (empty,))), [("t", 0)])
    assert epochs.learned(cluster.topics["t"].partitions[0], 2).epoch_starts == ((2, 0),)


@pytest.mark.parametrize(
    ("claimed", "outcome"),
    [(-1, None), (6, epochs.FENCED), (7, None), (8, epochs.UNKNOWN), (2**31 - 1, epochs.UNKNOWN)],
)
def test_who_is_fenced(claimed: int, outcome: str | None) -> None:
    found = epochs.fenced(PARTITION, claimed)
    assert (found.name if found is not None else None) == outcome


@pytest.mark.parametrize(
    ("last_epoch", "offset", "outcome"),
    [
        (-1, 99, None),
        (7, 30, None),
        (7, 31, epochs.DIVERGED),
        (4, 25, None),
        (4, 26, epochs.DIVERGED),
        (3, 5, epochs.DIVERGED),
        (8, 5, epochs.LOST),
    ],
)
def test_whose_log_has_diverged(last_epoch: int, offset: int, outcome: str | None) -> None:
    part = FetchPart(topic="t", offset=offset, last_fetched_epoch=last_epoch)
    found = epochs.diverged(PARTITION, part, ())
    assert (found.name if found is not None else None) == outcome
