"""The offsets of a log end with those of 64 bits, and so do the names of its files."""

import logging

import pytest

from impl.errors import BrokerError, ErrorCode
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.storage.checkpoints import LOG_START_OFFSETS, OFFSET_MAX, write_offsets
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.directories import FIRST, filled, open_broker
from impl.tests.logs import pairs_batch
from impl.tests.support import NOW

BEYOND = ("09223372036854775808", "99999999999999999999")


def _stopped() -> SimulatedFileSystem:
    files = filled()
    open_broker(files).close()
    return files


def _chosen(broker: Broker) -> Partition:
    """A partition of the first directory, always the same."""
    return next(each for name, each in sorted(broker.partitions.items()) if each.log.directory.parent == FIRST)


def _append(partition: Partition, records: int = 1) -> int:
    return partition.append(memoryview(pairs_batch([(b"k", b"v")] * records)), NOW).base_offset


def _restarted(files: SimulatedFileSystem, caplog: pytest.LogCaptureFixture) -> Broker:
    """The broker after another start, which has to believe all that the stop before wrote."""
    caplog.clear()
    broker = open_broker(files)
    assert not [each.getMessage() for each in caplog.records if "damaged" in each.getMessage()]
    return broker


def _is_refused(partition: Partition, records: int) -> None:
    end = partition.log.log_end_offset
    with pytest.raises(BrokerError, match="no offsets left") as refusal:
        _append(partition, records)
    assert refusal.value.code is ErrorCode.UNKNOWN_SERVER_ERROR
    assert partition.log.log_end_offset == end
    assert not partition.is_offline


@pytest.mark.parametrize("digits", BEYOND)
def test_a_file_named_after_no_offset_is_left_alone(digits: str, caplog: pytest.LogCaptureFixture) -> None:
    files = _stopped()
    log = _chosen(open_broker(_stopped())).log
    stranger = log.directory / f"{digits}.log"
    files.replace_file(stranger, b"")
    with caplog.at_level(logging.WARNING):
        broker = open_broker(files)
        told = [each.getMessage() for each in caplog.records if str(stranger) in each.getMessage()]
        assert len(told) == 1
        assert "not named after an offset" in told[0]
        assert _append(_chosen(broker)) == log.log_end_offset
        broker.close()
        assert _chosen(_restarted(files, caplog)).log.log_end_offset == log.log_end_offset + 1
    assert files.exists(stranger)


@pytest.mark.parametrize("digits", [*BEYOND, "notes"])
def test_a_stranger_does_not_undo_a_finished_compaction(digits: str) -> None:
    files = _stopped()
    log = _chosen(open_broker(_stopped())).log
    first = log.segments[0].path(".log")
    files.replace_file(first.with_name(first.name + ".swap"), files.read_file(first))
    files.remove(first)
    files.replace_file(log.directory / f"{digits}.log.cleaned", b"")
    files.replace_file(log.directory / f"{digits}.log.swap", b"")
    assert _chosen(open_broker(files)).log.log_end_offset == log.log_end_offset


def test_the_last_offset_is_given_and_none_after_it(caplog: pytest.LogCaptureFixture) -> None:
    files = _stopped()
    directory = _chosen(open_broker(_stopped())).log.directory
    files.replace_file(directory / f"{OFFSET_MAX - 1:020}.log", b"")
    broker = open_broker(files)
    partition = _chosen(broker)
    _is_refused(partition, 2)
    assert _append(partition) == OFFSET_MAX - 1
    _is_refused(partition, 1)
    broker.close()
    again = _chosen(_restarted(files, caplog))
    assert again.log.log_end_offset == OFFSET_MAX
    _is_refused(again, 1)


def test_a_log_that_begins_at_the_end_of_all_offsets_takes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    files = _stopped()
    partition = _chosen(open_broker(_stopped()))
    write_offsets(files, FIRST / LOG_START_OFFSETS, {(partition.topic, partition.index): OFFSET_MAX})
    broker = open_broker(files)
    _is_refused(_chosen(broker), 1)
    broker.close()
    assert _chosen(_restarted(files, caplog)).log.log_end_offset == OFFSET_MAX
