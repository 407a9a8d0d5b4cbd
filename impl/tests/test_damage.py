"""Bits that flip on a disk under a broker: every bug of `damage_bugs` is seen, and what a whole broker does."""

import logging
from pathlib import Path
from pkgutil import resolve_name

import pytest

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.cluster.offsets import CommittedOffset
from impl.errors import DataDirectoryError
from impl.replica.partition import Partition
from impl.server.broker import OFFSETS_LOG, TRANSACTIONAL_LOG, Broker
from impl.server.housekeeping import Housekeeping
from impl.storage.batch import HEADER_SIZE, SIZE_FIELD, SIZE_POSITION, CorruptBatchError
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.segment import INDEX, LOG, file_name
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.damage_bugs import BATCHES, BUGS, CHECKS, HOME, SEGMENTS, kept, open_log
from impl.tests.durability import Violation
from impl.tests.logs import contents, pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import LIMITS, NOW, append

DISK = Path("/disk")


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


@pytest.mark.parametrize("change", ["emptied", "removed", "cut"])
def test_offsets_that_are_missing_in_the_middle_are_told(caplog: pytest.LogCaptureFixture, change: str) -> None:
    log = kept()
    path = HOME / file_name(SEGMENTS[1], LOG)
    if change == "removed":
        log.files.remove(path)
    else:
        content = log.files.read_file(path)
        log.files.replace_file(path, content[: len(log.batches[SEGMENTS[1] // 2]) if change == "cut" else 0])
    opened = open_log(log.files)
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.ERROR]
    first = SEGMENTS[1] + 2 * (change == "cut")
    told_of = HOME / file_name(SEGMENTS[change != "removed"], LOG)
    assert told == [f"{told_of}: offsets {first} to {SEGMENTS[2] - 1} are missing at its end"]
    assert opened.log_end_offset == 2 * BATCHES
    assert {each[0] for each in contents(opened)} == {*range(first), *range(SEGMENTS[2], 2 * BATCHES)}


def test_a_last_segment_that_is_damaged_is_told_with_what_is_done(caplog: pytest.LogCaptureFixture) -> None:
    log = kept()
    path = HOME / file_name(SEGMENTS[2], LOG)
    log.files.content(path).flip(SIZE_POSITION, 3)
    open_log(log.files)
    told = [each.getMessage() for each in caplog.records]
    assert any(f"{path} at byte 0" in each and "it is checked, and cut at the first" in each for each in told)
    assert any(f"cutting {path} at byte 0 (offset {SEGMENTS[2]})" in each for each in told)
    assert not any("later segments" in each for each in told)


def test_a_log_that_ends_before_its_start_is_told(caplog: pytest.LogCaptureFixture) -> None:
    log = Log(kept().files, HOME, LIMITS, NOW, LogStart(log_start_offset=5000, was_clean=True))
    assert log.log_start_offset == log.log_end_offset == 5000
    told = "".join(each.getMessage() for each in caplog.records)
    assert f"{HOME} ends at 16, before its start 5000 in the checkpoint; all its segments are removed" in told
    assert "what it continues is gone" not in told


def own_log(name: str) -> Path:
    """The file of one of the broker's own logs."""
    return DISK / name / file_name(0, LOG)


def open_broker(files: SimulatedFileSystem) -> Broker:
    return Broker(files, DISK, BrokerConfig(), 1, lambda: NOW)


def stopped() -> SimulatedFileSystem:
    """What is left by a broker that knows of a group and of a transactional id."""
    files = SimulatedFileSystem()
    broker = open_broker(files)
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t")))
    broker.offsets.commit("g", {("t", 0): CommittedOffset(1, -1, "", NOW)}, NOW)
    broker.transactional_ids.initialize("id", 1000, None, NOW)
    broker.close()
    return files


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", [OFFSETS_LOG[0], TRANSACTIONAL_LOG[0]])
def test_a_log_of_the_brokers_own_that_is_damaged_stops_every_start_until_it_is_moved_away(name: str) -> None:
    whole = stopped()
    for place in range(HEADER_SIZE, len(whole.read_file(own_log(name)))):
        files = whole.after_kill()
        files.content(own_log(name)).flip(place, place % 8)
        for _ in range(2):
            with pytest.raises(DataDirectoryError, match=f"{own_log(name)} at byte 0.*move it away"):
                open_broker(files)
    files.move(DISK / name, DISK / "aside")
    broker = open_broker(files)
    assert broker.offsets.groups() == ([] if name == OFFSETS_LOG[0] else ["g"])
    broker.close()


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("name", [OFFSETS_LOG[0], TRANSACTIONAL_LOG[0]])
@pytest.mark.parametrize("key", [b"", b"\x00\x00", b"\x00\x01\x00\x01\xff\x00\x01t\x00\x00\x00\x00"])
def test_a_record_that_the_broker_has_not_written_is_told_by_its_offset(name: str, key: bytes) -> None:
    files = stopped()
    log = Log(files, DISK / name, LIMITS, NOW, LogStart(was_clean=True))
    append(log, pairs_batch([(key, b"\x00\x09")]))
    log.close()
    with pytest.raises(DataDirectoryError, match=f"{own_log(name)} at byte .*, offset 1: "):
        open_broker(files)
