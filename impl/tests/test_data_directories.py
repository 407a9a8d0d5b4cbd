"""What a broker does with data directories that are not its own, not apart or damaged, and with disks that fail it."""

import errno
import logging
import re
from pathlib import Path
from uuid import UUID

import pytest

from impl.cluster.catalog import FILE_NAME as TOPICS
from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.cluster.producer_ids import FILE_NAME as PRODUCER_IDS
from impl.errors import DataDirectoryError
from impl.server.broker import Broker
from impl.storage.checkpoints import CLEAN_SHUTDOWN, META_PROPERTIES, PARTITION_METADATA, uuid_text
from impl.storage.faults import Fault
from impl.storage.filesystem import FileSystem
from impl.storage.segment import LOG, file_name
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.support import NOW, make_batch, records

HOME = Path("/disk")
MORE = Path("/more")


def open_broker(files: FileSystem, node_id: int = 1, *more: Path) -> Broker:
    return Broker(files, HOME, BrokerConfig(), node_id, lambda: NOW, more)


def with_topic(broker: Broker, partitions: int = 1) -> Broker:
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", partitions)))
    for index in range(partitions):
        broker.partition("t", index).append(memoryview(make_batch(records(b"x"))), NOW)
    return broker


def test_a_refused_start_leaves_the_marker_of_the_clean_stop() -> None:
    files = SimulatedFileSystem()
    open_broker(files).close()
    with pytest.raises(DataDirectoryError, match="belongs to node 1"):
        open_broker(files, node_id=2)
    assert files.exists(HOME / CLEAN_SHUTDOWN)


@pytest.mark.parametrize("more", [HOME, HOME / "deeper", HOME.parent])
def test_directories_must_be_apart(more: Path) -> None:
    files = SimulatedFileSystem()
    with pytest.raises(DataDirectoryError, match="not apart"):
        open_broker(files, 1, more)
    assert not files.exists(HOME)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\xff\xfe", "is damaged at byte 0: it holds bytes that are no text"),
        (b"", "is damaged: it has no version"),
        (b"version=1\nnode.id=1\n", "is damaged: it has no cluster.id"),
        (b"version=1\ncluster.id=c\n", "is damaged: it has no node.id"),
        (b"version=7\nnode.id=1\ncluster.id=c\n", "is of version 7, and not of 1"),
    ],
)
def test_a_damaged_identity_is_told_by_the_files_name(content: bytes, why: str) -> None:
    files = SimulatedFileSystem()
    open_broker(files).close()
    files.replace_file(HOME / META_PROPERTIES, content)
    with pytest.raises(DataDirectoryError, match=f"{HOME / META_PROPERTIES} {why}; .*: restore the file, or remove it"):
        open_broker(files)
    assert files.exists(HOME / CLEAN_SHUTDOWN)
    assert files.read_file(HOME / META_PROPERTIES) == content


@pytest.mark.parametrize(
    "damage",
    [
        b"\xff\xfe",
        b"",
        b"nonsense\n",
        b"version: 0\n",
        b"version: -1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ\n",
        b"topic_id: AAAAAAAAAAAAAAAAAAAAAQ\nversion: 0\n",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAA\n",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAA*Q\n",
        b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA\n",
    ],
)
def test_a_damaged_partition_metadata_is_set_aside_and_the_log_kept(damage: bytes) -> None:
    files = SimulatedFileSystem()
    with_topic(open_broker(files)).close()
    path = HOME / "t-0" / PARTITION_METADATA
    content = files.read_file(path)
    files.replace_file(path, damage)
    again = open_broker(files)
    assert again.partition("t", 0).log.log_end_offset == 1
    assert files.read_file(path) == content
    assert any(name.startswith(PARTITION_METADATA + ".") for name in files.list_names(path.parent))
    again.close()


def test_a_start_without_the_file_of_topics_is_refused_and_nothing_is_touched() -> None:
    files = SimulatedFileSystem()
    with_topic(open_broker(files)).close()
    content = files.read_file(HOME / TOPICS)
    files.remove(HOME / TOPICS)
    with pytest.raises(DataDirectoryError, match=f"{HOME / TOPICS} is missing.* {HOME / 't-0'}.*restore"):
        open_broker(files)
    assert files.exists(HOME / CLEAN_SHUTDOWN)
    files.replace_file(HOME / TOPICS, content)
    again = open_broker(files)
    assert again.partition("t", 0).log.log_end_offset == 1
    again.close()


def test_without_its_file_no_producer_id_is_given_that_a_log_knows(caplog: pytest.LogCaptureFixture) -> None:
    files = SimulatedFileSystem()
    broker = with_topic(open_broker(files))
    used = broker.producer_ids.allocate() + 4
    batch = make_batch(records(b"x"), producer_id=used, producer_epoch=0, base_sequence=0)
    broker.partition("t", 0).append(memoryview(batch), NOW)
    broker.close()
    files.remove(HOME / PRODUCER_IDS)
    again = open_broker(files)
    assert again.producer_ids.allocate() == used + 1
    assert f"{PRODUCER_IDS} is missing" in caplog.text
    again.close()


@pytest.mark.parametrize("with_metadata", [True, False])
def test_a_partition_that_no_topic_has_is_told_and_never_removed(
    caplog: pytest.LogCaptureFixture, *, with_metadata: bool
) -> None:
    files = SimulatedFileSystem()
    with_topic(open_broker(files)).close()
    files.replace_file(HOME / TOPICS, b'{"topics": []}')
    if not with_metadata:
        files.remove(HOME / "t-0" / PARTITION_METADATA)
    kept = files.read_file(HOME / "t-0" / file_name(0, LOG))
    broker = open_broker(files)
    assert any(f"no topic has {HOME / 't-0'}" in each.message for each in caplog.records)
    assert files.read_file(HOME / "t-0" / file_name(0, LOG)) == kept
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", 1)))
    assert broker.partition("t", 0).log.log_end_offset == 0
    broker.close()
    open_broker(files).close()
    strays = [name for name in files.list_names(HOME) if name.endswith("-stray")]
    assert [re.fullmatch(r"t-0\.[0-9a-f]{32}-stray", name) is not None for name in strays] == [True]
    assert files.read_file(HOME / strays[0] / file_name(0, LOG)) == kept


def test_the_log_of_an_earlier_topic_of_the_name_is_moved_aside_at_the_start() -> None:
    files = SimulatedFileSystem()
    with_topic(open_broker(files)).close()
    content = files.read_file(HOME / TOPICS)
    other = uuid_text(UUID(int=1)).encode()
    files.replace_file(HOME / TOPICS, re.sub(rb'"id": "[^"]*"', b'"id": "' + other + b'"', content))
    broker = open_broker(files)
    assert broker.partition("t", 0).log.log_end_offset == 0
    assert len([name for name in files.list_names(HOME) if name.endswith("-stray")]) == 1
    broker.close()


WRITTEN_OTHERWISE = " (its JSON is not what this broker writes)"
NOT_TOPICS = {
    b"\xff\xfe": " (it is no JSON from line 1, column 1 on)",
    b'{"\xff': " (byte 2 is not part of a text)",
    b"": " (it is no JSON from line 1, column 1 on)",
    b'{"topics":\n [{"na': " (it is no JSON from line 2, column 4 on)",
    b"{}": ' ("topics" is missing)',
    b"[]": WRITTEN_OTHERWISE,
    b"7": WRITTEN_OTHERWISE,
    b'{"topics": {"t": 1}}': f" at topic number 1{WRITTEN_OTHERWISE}",
    b'{"topics": [{"name": "t", "partitions": 1, "configs": {}}]}': ' at topic number 1 ("id" is missing)',
    b'{"topics": [{"name": "t", "id": "x", "partitions": 1, "configs": {}}]}': f" at topic number 1{WRITTEN_OTHERWISE}",
    b'{"topics": [{"name": "../t", "id": "AAAAAAAAAAAAAAAAAAAAAQ", "partitions": 1, "configs": {}}]}': (
        " at topic number 1 (Topic name is invalid: '../t' contains one or more characters other than"
    ),
    b'{"topics": [{"name": "t", "id": "AAAAAAAAAAAAAAAAAAAAAQ", "partitions": "1", "configs": {}}]}': (
        ' at topic number 1 (it has "1" partitions)'
    ),
    b'{"topics": [{"name": "t", "id": "AAAAAAAAAAAAAAAAAAAAAQ", "partitions": 1, "configs": 5}]}': (
        f" at topic number 1{WRITTEN_OTHERWISE}"
    ),
    b'{"topics": [{"name": 5, "id": "AAAAAAAAAAAAAAAAAAAAAQ", "partitions": 1, "configs": {}}]}': (
        f" at topic number 1{WRITTEN_OTHERWISE}"
    ),
}
NOT_IDS = {
    b"": " (it is empty, and should be a number from 0 on)",
    b"\n": " (it is empty, and should be a number from 0 on)",
    b"x\n": ' (it begins with "x", and should be a number from 0 on)',
    b"\xff\xfe": ' (it begins with "\ufffd\ufffd", and should be a number from 0 on)',
    b"-1": ' (it begins with "-1", and should be a number from 0 on)',
}


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [*((TOPICS, *each) for each in NOT_TOPICS.items()), *((PRODUCER_IDS, *each) for each in NOT_IDS.items())],
)
def test_a_damaged_file_of_the_brokers_own_is_refused_and_the_marker_kept(name: str, content: bytes, told: str) -> None:
    files = SimulatedFileSystem()
    with_topic(open_broker(files)).close()
    files.replace_file(HOME / name, content)
    with pytest.raises(DataDirectoryError, match=r"restore it, or [^\n]*$") as refusal:
        open_broker(files)
    assert str(refusal.value).startswith(f"{HOME / name} is damaged{told}")
    assert files.exists(HOME / CLEAN_SHUTDOWN)
    assert files.read_file(HOME / name) == content


def test_files_that_are_no_segments_are_left_alone() -> None:
    files = SimulatedFileSystem()
    with_topic(open_broker(files)).close()
    for name in ("notes.log", "5.log", "00000000000000000005.log.bak"):
        files.replace_file(HOME / "t-0" / name, b"mine")
    again = open_broker(files)
    assert [segment.base_offset for segment in again.partition("t", 0).log.segments] == [0]
    assert files.read_file(HOME / "t-0" / "5.log") == b"mine"
    again.close()


def test_a_topic_is_deleted_although_a_disk_fails() -> None:
    files = SimulatedFileSystem()
    broker = with_topic(open_broker(files, 1, MORE), partitions=2)
    lost = next(each for each in broker.partitions.values() if each.log.directory.parent == MORE)
    files.faults.planned.append(Fault("move", error=errno.EIO, path_contains=str(lost.log.directory)))
    broker.delete_topic("t")
    assert broker.partitions == {}
    assert [directory.failure is None for directory in broker.directories.all] == [True, False]
    with_topic(broker, partitions=2)
    assert {each.log.directory.parent for each in broker.partitions.values()} == {HOME}
    broker.close()


def test_a_mistake_in_the_background_is_told(caplog: pytest.LogCaptureFixture) -> None:
    def mistake() -> None:
        raise IndexError

    broker = open_broker(SimulatedFileSystem())
    broker.directories._run_later(mistake)
    broker.close()
    assert [record.levelno for record in caplog.records if "IndexError" in caplog.text] == [logging.ERROR]
