"""Bits that flip on a disk under a broker: every bug of `damage_bugs` is seen, and what a whole broker does."""

import logging
from pathlib import Path
from pkgutil import resolve_name

import pytest

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.storage.batch import SIZE_FIELD, SIZE_POSITION, CorruptBatchError
from impl.storage.filesystem import RealFileSystem
from impl.storage.segment import INDEX, LOG, file_name
from impl.tests.damage_bugs import BATCHES, BUGS, CHECKS, HOME, SEGMENTS, kept, open_log
from impl.tests.durability import Violation
from impl.tests.logs import contents, pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import NOW


def run_checks() -> None:
    """Run the checks up to the first that fails. Raises Violation."""
    for check in CHECKS:
        check()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.name.replace(" ", "-"))
def test_every_planted_bug_is_seen(bug: StorageBug, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bug.place, bug.plant(resolve_name(bug.place)))
    with pytest.raises(Violation):
        run_checks()


@pytest.mark.usefixtures("quiet")
def test_no_check_sees_what_is_not_there() -> None:
    run_checks()


@pytest.mark.parametrize("length", [-(2**31), -62, -12, 0, 2**31 - 1])
def test_a_log_with_a_damaged_length_is_not_compacted_and_the_others_are(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, length: int
) -> None:
    broker = Broker(RealFileSystem(), tmp_path, BrokerConfig(), 1, lambda: NOW)
    damaged, other = compacted_topic(broker, "t"), compacted_topic(broker, "u")
    path = damaged.log.segments[1].path(LOG)
    content = bytearray(path.read_bytes())
    SIZE_FIELD.pack_into(content, SIZE_POSITION, length)
    path.write_bytes(content)
    keeper = Housekeeping(broker)
    while keeper.run() == 0:
        pass
    assert [each.failure for each in broker.directories.all] == [None]
    assert [each[0] for each in contents(other.log)] == [3, 4]
    assert [segment.base_offset for segment in damaged.log.segments] == [0, 1, 2, 3, 4]
    assert any(path.name in each.message for each in caplog.records if each.levelno == logging.ERROR)
    keeper.close()
    broker.close()


def compacted_topic(broker: Broker, name: str) -> Partition:
    """A partition with one key five times, each in a segment of its own."""
    configs = {"cleanup.policy": "compact", "segment.bytes": "110"}
    broker.create_topic(broker.catalog.check_creation(TopicRequest(name, 1, configs=configs)))
    partition = broker.partition(name, 0)
    for _ in range(5):
        partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)])), NOW)
    return partition


def test_an_index_that_points_out_of_its_segment_is_told() -> None:
    files = kept().files
    log = open_log(files)
    segment = log.segments[1]
    for position in (-1, segment.size + 1):
        with pytest.raises(CorruptBatchError, match=f"{HOME}.* at byte {position}"):
            next(segment.batches_from(position))


@pytest.mark.usefixtures("quiet")
def test_an_index_that_points_between_batches_is_made_again() -> None:
    files = kept().files
    path = HOME / file_name(SEGMENTS[1], INDEX)
    right = files.read_file(path)
    wrong = bytearray(right)
    wrong[7] ^= 1  # the position in the first entry
    files.replace_file(path, bytes(wrong))
    log = open_log(files)
    assert [each[0] for each in contents(log)] == list(range(2 * BATCHES))
    log.close()
    assert files.read_file(path) == right
