"""How far logs are clean, in a file of each log directory: where it is, what is believed of it, and when it goes."""

import errno
import re
from pathlib import Path
from uuid import UUID

import pytest

from impl.cluster.catalog import FILE_NAME as TOPICS
from impl.cluster.catalog import SET, ConfigChange, TopicRequest
from impl.errors import StorageError
from impl.server.broker import Broker
from impl.storage.checkpoints import CLEANER_OFFSETS, CORRUPT, RECOVERY_POINTS, uuid_text
from impl.storage.faults import Fault
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.checkpoint_bugs import CLEAN_TO, by_home, compact_all, compacted, lines
from impl.tests.directories import FIRST, PARTITIONS, PATHS, SECOND, THIRD, failing, open_broker
from impl.tests.logs import contents, pairs_batch
from impl.tests.support import NOW

WORDLESS = b"0\n1\nt 0 four\n"


def clean_to(broker: Broker) -> dict[Path, int | None]:
    """How far the log of each directory is clean."""
    return {path: broker.clean_offsets.get("t", each.index) for path, each in by_home(broker).items()}


def test_an_empty_checkpoint_is_none_and_a_damaged_one_is_set_aside(caplog: pytest.LogCaptureFixture) -> None:
    files = SimulatedFileSystem()
    compacted(files).close()
    files.replace_file(SECOND / CLEANER_OFFSETS, WORDLESS)
    files.replace_file(THIRD / CLEANER_OFFSETS, b"")  # as Kafka makes it
    broker = open_broker(files)
    assert clean_to(broker) == {FIRST: CLEAN_TO, SECOND: 0, THIRD: None}
    assert files.read_file(SECOND / (CLEANER_OFFSETS + CORRUPT)) == WORDLESS
    assert f"{SECOND / CLEANER_OFFSETS} is damaged at line 3" in caplog.text
    may_have_gaps = {
        path: broker.clean_offsets.may_have_gaps("t", each.index) for path, each in by_home(broker).items()
    }
    assert may_have_gaps == {FIRST: True, SECOND: True, THIRD: False}
    broker.close()


def test_a_checkpoint_is_there_from_the_first_start_on_and_a_lost_one_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    files = SimulatedFileSystem()
    open_broker(files).close()
    assert [files.read_file(path / CLEANER_OFFSETS) for path in PATHS] == [b"0\n0\n"] * 3
    compacted(files).close()
    files.remove(SECOND / CLEANER_OFFSETS)
    broker = open_broker(files)
    assert caplog.messages == [f"{SECOND / CLEANER_OFFSETS} is missing: its logs are compacted from their starts"]
    assert clean_to(broker) == {FIRST: CLEAN_TO, SECOND: 0, THIRD: CLEAN_TO}
    assert lines(files, SECOND, CLEANER_OFFSETS).keys() == {
        name for name, partition in broker.partitions.items() if partition.log.directory.parent == SECOND
    }
    broker.close()


def test_logs_keep_their_gaps_though_they_are_no_longer_compacted() -> None:
    """Also if nobody knows up to where they are flushed, in any directory."""
    files = SimulatedFileSystem()
    broker = compacted(files)
    broker.reconfigure_topic(broker.catalog.change_configs("t", [ConfigChange("cleanup.policy", SET, "delete")]))
    expected = {path: contents(each.log) for path, each in by_home(broker).items()}
    left = files.after_kill()
    for path in PATHS:
        left.replace_file(path / "recovery-point-offset-checkpoint", b"?")
    again = open_broker(left)
    assert {path: contents(each.log) for path, each in by_home(again).items()} == expected
    again.close()


def test_a_disk_that_fails_takes_its_own_directory_offline_and_the_others_are_compacted() -> None:
    files = SimulatedFileSystem()
    broker = compacted(files)
    for partition in broker.partitions.values():
        for _ in range(5):
            partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)])), NOW)
    with failing(files, Fault("sync", lasts=True, path_contains=f"{SECOND}/{CLEANER_OFFSETS}")):
        compact_all(broker)
        assert [each.failure is None for each in broker.directories.all] == [True, False, True]
        assert clean_to(broker) == {FIRST: CLEAN_TO + 5, SECOND: CLEAN_TO, THIRD: CLEAN_TO + 5}
        broker.close()
    again = open_broker(files)
    assert clean_to(again) == {FIRST: CLEAN_TO + 5, SECOND: CLEAN_TO, THIRD: CLEAN_TO + 5}
    again.close()


def test_a_disk_that_can_not_be_read_at_the_start_takes_its_own_directory_offline() -> None:
    files = SimulatedFileSystem()
    compacted(files).close()
    with failing(files, Fault("read", lasts=True, path_contains=f"{SECOND}/{CLEANER_OFFSETS}")):
        broker = open_broker(files)
        assert [each.failure is None for each in broker.directories.all] == [True, False, True]
        assert clean_to(broker) == {FIRST: CLEAN_TO, SECOND: None, THIRD: CLEAN_TO}
        broker.close()
    assert clean_to(open_broker(files)) == dict.fromkeys(PATHS, CLEAN_TO)


def test_nothing_is_written_in_a_directory_that_was_offline_at_the_start() -> None:
    """What is not there, on a disk that fails elsewhere, may be there again."""
    files = SimulatedFileSystem()
    compacted(files).close()
    checkpoint = files.read_file(SECOND / CLEANER_OFFSETS)
    files.remove(SECOND / CLEANER_OFFSETS)
    with failing(files, Fault("read", lasts=True, path_contains=f"{SECOND}/{RECOVERY_POINTS}")):
        broker = open_broker(files)
        assert [each.failure is None for each in broker.directories.all] == [True, False, True]
        assert clean_to(broker) == {FIRST: CLEAN_TO, SECOND: None, THIRD: CLEAN_TO}
        broker.close()
    assert not files.exists(SECOND / CLEANER_OFFSETS)
    files.replace_file(SECOND / CLEANER_OFFSETS, checkpoint)
    assert clean_to(open_broker(files)) == dict.fromkeys(PATHS, CLEAN_TO)


def test_a_deletion_writes_nothing_in_a_directory_that_is_offline() -> None:
    files = SimulatedFileSystem()
    broker = compacted(files)
    checkpoint = files.read_file(SECOND / CLEANER_OFFSETS)
    broker.directories.all[1].fail(StorageError("sync", SECOND, errno.EIO))
    broker.delete_topic("t")
    assert files.read_file(SECOND / CLEANER_OFFSETS) == checkpoint
    assert not lines(files, FIRST, CLEANER_OFFSETS)
    broker.close()


def test_a_topic_is_deleted_although_its_checkpoint_can_not_be_written() -> None:
    files = SimulatedFileSystem()
    broker = compacted(files)
    with failing(files, Fault("sync", lasts=True, path_contains=f"{SECOND}/{CLEANER_OFFSETS}")):
        broker.delete_topic("t")
        assert [each.failure is None for each in broker.directories.all] == [True, False, True]
        assert broker.partitions == {}
        broker.close()
    assert lines(files, SECOND, CLEANER_OFFSETS)
    again = open_broker(files)
    assert not lines(files, SECOND, CLEANER_OFFSETS)
    again.close()


def test_a_log_in_the_place_of_another_topics_is_not_clean() -> None:
    files = SimulatedFileSystem()
    compacted(files).close()
    other = uuid_text(UUID(int=1)).encode()
    files.replace_file(
        FIRST / TOPICS, re.sub(rb'"id": "[^"]*"', b'"id": "' + other + b'"', files.read_file(FIRST / TOPICS))
    )
    broker = open_broker(files)
    assert clean_to(broker) == dict.fromkeys(PATHS)
    assert not any(lines(files, path, CLEANER_OFFSETS) for path in PATHS)
    broker.close()


def test_a_log_that_was_compacted_elsewhere_may_have_gaps_and_is_compacted_from_its_start() -> None:
    """Its directory was moved, or the file is of a broker that had one only."""
    files = SimulatedFileSystem()
    broker = compacted(files)
    index = by_home(broker)[SECOND].index
    broker.close()
    entry = b"0\n1\nt %d 4\n" % index
    files.replace_file(FIRST / CLEANER_OFFSETS, entry)
    files.replace_file(SECOND / CLEANER_OFFSETS, b"0\n0\n")
    again = open_broker(files)
    assert again.clean_offsets.get("t", index) is None
    assert again.clean_offsets.may_have_gaps("t", index)
    again.clean_offsets.put("t", index, 5)
    assert (files.read_file(FIRST / CLEANER_OFFSETS), lines(files, SECOND, CLEANER_OFFSETS)) == (
        entry,
        {("t", index): 5},
    )
    again.delete_topic("t")
    again.create_topic(again.catalog.check_creation(TopicRequest("t", PARTITIONS)))
    assert not again.clean_offsets.may_have_gaps("t", index)
    again.close()
