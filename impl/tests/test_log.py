"""The log of a partition: reading, rolling, timestamps, and what is there after it was closed or torn."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, ErrorCode
from impl.storage.batch import parse_header, split_batches
from impl.storage.filesystem import RealFileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.records import Record
from impl.storage.recovery import LogStart
from impl.tests.support import LIMITS, NOW, append, make_batch, open_log, records

SMALL = SegmentLimits(bytes_max=400, age_ms_max=1 << 60, index_bytes_max=10 << 20, index_interval_bytes=100)


def stored(log: Log, offset: int = 0, bytes_max: int = 1 << 30) -> list[tuple[int, int]]:
    """First and last offset of the batches from `offset` on."""
    found = []
    while (part := log.read(offset, bytes_max, log.log_end_offset, at_least_one=True)) is not None:
        for batch in split_batches(part.file.read_at(part.position, part.size)):
            header = parse_header(batch)
            found.append((header.base_offset, header.last_offset))
            offset = header.next_offset
    return found


def test_a_read_begins_with_the_batch_that_holds_the_offset(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    for _ in range(3):
        append(log, make_batch(records(b"a", b"b", b"c")))
    assert stored(log, 4) == [(3, 5), (6, 8)]


def test_a_read_stops_at_its_bytes_but_not_before_the_first_batch(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    batch = make_batch(records(b"a" * 100))
    for _ in range(3):
        append(log, batch)
    part = log.read(0, 1, 3, at_least_one=True)
    assert part is not None
    assert part.size == len(batch)
    assert log.read(0, 1, 3, at_least_one=False) is None
    cut = log.read(0, len(batch) + 5, 3, at_least_one=False)
    assert cut is not None
    assert cut.size == len(batch) + 5


def test_a_read_ends_before_the_upper_offset(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    batch = make_batch(records(b"a"))
    for _ in range(3):
        append(log, batch)
    part = log.read(0, 1 << 20, 2, at_least_one=True)
    assert part is not None
    assert part.size == 2 * len(batch)


@pytest.mark.parametrize("offset", [-1, 4])
def test_an_offset_outside_of_the_log_is_out_of_range(tmp_path: Path, offset: int) -> None:
    log = open_log(tmp_path)
    append(log, make_batch(records(b"a", b"b", b"c")))
    with pytest.raises(BrokerError) as error:
        log.read(offset, 100, 3, at_least_one=True)
    assert error.value.code == ErrorCode.OFFSET_OUT_OF_RANGE


def test_a_full_segment_is_followed_by_another(tmp_path: Path) -> None:
    log = open_log(tmp_path, SMALL)
    for _ in range(10):
        append(log, make_batch(records(b"x" * 50)))
    assert len(log.segments) > 1
    assert all(segment.size <= SMALL.bytes_max for segment in log.segments)
    assert stored(log) == [(offset, offset) for offset in range(10)]


def test_a_segment_is_followed_by_another_when_its_time_is_over(tmp_path: Path) -> None:
    limits = SegmentLimits(1 << 30, 1000, 10 << 20, 4096)
    log = open_log(tmp_path, limits)
    for delta in (0, 1000, 1001):
        append(log, make_batch(records(b"a"), time_ms=NOW + delta))
    assert [segment.base_offset for segment in log.segments] == [0, 2]


def test_jitter_shortens_the_life_of_a_segment_by_less_than_its_bound(tmp_path: Path) -> None:
    limits = SegmentLimits(1 << 30, 1000, 10 << 20, 4096, jitter_ms_max=200)
    rolled_after = set()
    for number in range(20):
        log = open_log(tmp_path / str(number), limits)
        append(log, make_batch(records(b"a"), time_ms=NOW))
        assert 0 <= log.active.jitter_ms < 200
        last = 1000 - log.active.jitter_ms
        for delta in (last, last + 1):
            append(log, make_batch(records(b"a"), time_ms=NOW + delta))
        assert [segment.base_offset for segment in log.segments] == [0, 2]
        rolled_after.add(last)
    assert len(rolled_after) > 1


def test_jitter_is_drawn_once_for_each_segment(tmp_path: Path) -> None:
    wide, none = (SegmentLimits(1 << 30, 1000, 10 << 20, 4096, jitter_ms_max=most) for most in (900, 0))
    log = open_log(tmp_path, wide)
    append(log, make_batch(records(b"a"), time_ms=NOW))
    drawn = log.active.jitter_ms
    assert drawn > 0
    log.limits = none
    append(log, make_batch(records(b"a"), time_ms=NOW + 1000 - drawn))
    append(log, make_batch(records(b"a"), time_ms=NOW + 1001 - drawn))
    assert [segment.base_offset for segment in log.segments] == [0, 2]
    assert log.active.jitter_ms == 0


def test_jitter_is_less_than_the_time_that_was_asked_for_and_not_than_the_lag_of_compaction() -> None:
    asked = {"segment.jitter.ms": "5000", "segment.ms": "3000", "max.compaction.lag.ms": "1000"}
    limits = BrokerConfig().partition_config({**asked, "cleanup.policy": "compact"}).segment_limits
    assert limits.life_ms_max == 1000
    drawn = [limits.draw_jitter_ms(Path(f"/logs/t-{index}")) for index in range(50)]
    assert 1000 < max(drawn) < 3000


def test_a_segment_is_followed_by_another_when_an_offset_is_too_far_from_its_base(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    assert not log.active.should_roll(100, NOW, 2**31 - 1, NOW)
    assert log.active.should_roll(100, NOW, 2**31, NOW)


def test_a_segment_is_followed_by_another_when_its_index_is_full(tmp_path: Path) -> None:
    limits = SegmentLimits(1 << 30, 1 << 60, 16, 0)  # two entries of the offset index, none of the time index
    log = open_log(tmp_path, limits)
    for _ in range(6):
        append(log, make_batch(records(b"a")))
    assert len(log.segments) > 1
    assert stored(log) == [(offset, offset) for offset in range(6)]


def test_timestamps_lead_to_the_first_record_that_is_not_earlier(tmp_path: Path) -> None:
    log = open_log(tmp_path, SMALL)
    for start in range(0, 2000, 100):
        content = [Record(0, delta, number, None, b"x", b"\x00") for number, delta in enumerate((0, 50))]
        append(log, make_batch(content, time_ms=NOW + start))
    for target in range(-10, 1950, 7):
        wanted = -(-max(target, 0) // 50)
        found = log.find_timestamp(NOW + target)
        assert found is not None
        assert (found.offset, found.timestamp) == (wanted, NOW + 50 * wanted)
    assert log.find_timestamp(NOW + 1951) is None
    latest = log.find_max_timestamp()
    assert latest is not None
    assert (latest.offset, latest.timestamp) == (39, NOW + 1950)


def test_compressed_batches_are_opened_to_find_a_timestamp(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    content = [Record(0, delta, number, None, b"x", b"\x00") for number, delta in enumerate((0, 300, 100))]
    append(log, make_batch(content, codec=4))
    found = log.find_timestamp(NOW + 1)
    assert found is not None
    assert found.offset == 1


@pytest.mark.parametrize("was_clean", [True, False])
def test_everything_is_there_after_a_clean_close(tmp_path: Path, *, was_clean: bool) -> None:
    log = open_log(tmp_path, SMALL)
    for number in range(20):
        append(log, make_batch(records(b"x" * 50, b"y"), time_ms=NOW + number))
    before = stored(log), log.find_max_timestamp(), log.find_timestamp(NOW + 11)
    log.close()
    again = open_log(tmp_path, SMALL, was_clean=was_clean)
    assert again.log_end_offset == 40
    assert (stored(again), again.find_max_timestamp(), again.find_timestamp(NOW + 11)) == before
    append(again, make_batch(records(b"z")))
    assert stored(again)[-1] == (40, 40)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.data())
@settings(max_examples=40, deadline=None)
def test_a_torn_tail_is_cut_at_the_last_whole_batch(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], data: st.DataObject
) -> None:
    directory = tmp_path_factory.mktemp("log")
    log = open_log(directory)
    ends = [0]
    for count in counts:
        append(log, make_batch(records(*[b"v" * 30] * count)))
        ends.append(log.active.size)
    log.abandon()
    path = directory / "00000000000000000000.log"
    kept = data.draw(st.integers(0, ends[-1]))
    content = path.read_bytes()[:kept] + data.draw(st.binary(max_size=100))
    path.write_bytes(content)
    whole = max(number for number, end in enumerate(ends) if end <= kept)
    again = open_log(directory)
    assert again.log_end_offset == sum(counts[:whole])
    assert path.stat().st_size == ends[whole]


@given(st.integers(0, 600), st.integers(1, 255))
@settings(max_examples=60, deadline=None)
def test_a_changed_byte_cuts_the_log_there(
    tmp_path_factory: pytest.TempPathFactory, position: int, change: int
) -> None:
    directory = tmp_path_factory.mktemp("log")
    log = open_log(directory)
    batch = make_batch(records(b"v" * 20))
    size = len(batch)
    for _ in range(8):
        append(log, batch)
    log.abandon()
    path = directory / "00000000000000000000.log"
    content = bytearray(path.read_bytes())
    content[position] ^= change
    path.write_bytes(content)
    again = open_log(directory)
    # The leader epoch is not covered by the checksum, nor are offsets that stay ascending.
    unchecked = position % size < 8 or 12 <= position % size < 16
    assert again.log_end_offset == position // size or unchecked
    assert again.log_end_offset >= position // size


def test_segments_after_a_damaged_one_are_removed(tmp_path: Path) -> None:
    log = open_log(tmp_path, SMALL)
    for _ in range(12):
        append(log, make_batch(records(b"x" * 50)))
    second = log.segments[1]
    log.abandon()
    content = bytearray(second.path(".log").read_bytes())
    content[70] ^= 1
    second.path(".log").write_bytes(content)
    again = open_log(tmp_path, SMALL)
    assert again.log_end_offset == second.base_offset
    assert len(again.segments) == 2
    append(again, make_batch(records(b"a")))
    assert stored(again)[-1] == (second.base_offset, second.base_offset)


def test_indexes_before_the_recovery_point_are_made_again_if_they_do_not_fit(tmp_path: Path) -> None:
    """More than Kafka does: it believes them."""
    log = open_log(tmp_path, SMALL)
    for _ in range(12):
        append(log, make_batch(records(b"x" * 50)))
    log.flush()
    indexes = [segment.path(suffix) for segment in log.segments[:-1] for suffix in (".index", ".timeindex")]
    contents = [each.read_bytes() for each in indexes]
    log.abandon()
    for each in indexes:
        each.write_bytes(b"\x00\x00\x00\x07" * 6)
    again = Log(RealFileSystem(), tmp_path, SMALL, NOW, LogStart(recovery_point=12))
    assert [each.read_bytes() for each in indexes] == contents
    assert stored(again) == [(offset, offset) for offset in range(12)]


def test_a_log_may_begin_after_an_offset(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    append(log, make_batch(records(b"a", b"b", b"c")))
    log.raise_start(2)
    assert stored(log, 2) == [(0, 2)]
    with pytest.raises(BrokerError):
        log.read(1, 100, 3, at_least_one=True)
    log.close()
    assert open_log(tmp_path, log_start_offset=2, was_clean=True).log_start_offset == 2


def test_producers_are_known_again_from_snapshot_and_log(tmp_path: Path) -> None:
    log = open_log(tmp_path, LIMITS)
    for sequence in range(3):
        append(log, make_batch(records(b"a"), producer_id=4, producer_epoch=1, base_sequence=sequence))
    duplicate = parse_header(make_batch(records(b"a"), producer_id=4, producer_epoch=1, base_sequence=2))
    log.abandon()
    torn = open_log(tmp_path)
    found = torn.producers.find_duplicate(duplicate)
    assert found is not None
    assert found.last_offset == 2
    torn.close()
    clean = open_log(tmp_path, was_clean=True)
    found = clean.producers.find_duplicate(duplicate)
    assert found is not None
    assert found.last_offset == 2
