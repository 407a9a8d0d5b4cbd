"""What tests do with whole logs: read all that is in them, compact them, and lose power before every change."""

from collections.abc import Callable

from impl.storage.batch import HEADER_SIZE, BatchHeader, parse_header, split_batches, stored_crc_matches
from impl.storage.cleaner import CompactionConfig, clean, cleanable
from impl.storage.compression import decompress
from impl.storage.log import Log
from impl.storage.records import Record, read_records
from impl.storage.segment import Segment
from impl.tests.support import NOW, make_batch

Stored = tuple[int, bytes | None, bytes | None, int]  # offset, key, value, timestamp
Pair = tuple[bytes | None, bytes | None]
COMPACTION = CompactionConfig(dirty_ratio_min=0.5, lag_ms_min=0, lag_ms_max=2**63 - 1, delete_retention_ms=1000)


def pairs_batch(pairs: list[Pair], **fields: int) -> bytearray:
    """A batch of keys and values; a record's timestamp is a millisecond later than that of the one before."""
    content = [Record(0, number, number, key, value, b"\x00") for number, (key, value) in enumerate(pairs)]
    return make_batch(content, **fields)


def batches(log: Log) -> list[tuple[BatchHeader, bytes]]:
    """All batches from a log's start on; their checksums must be right."""
    found = []
    offset = log.log_start_offset
    while (part := log.read(offset, 1 << 30, log.log_end_offset, at_least_one=True)) is not None:
        for batch in split_batches(part.file.read_at(part.position, part.size)):
            assert stored_crc_matches(batch)
            found.append((parse_header(batch), bytes(batch)))
            offset = found[-1][0].next_offset
    return found


def contents(log: Log) -> list[Stored]:
    """All records from a log's start on, but for control records."""
    found = []
    for header, batch in batches(log):
        body = decompress(header.compression, batch[HEADER_SIZE:]) if header.record_count else b""
        for record in () if header.is_control else read_records(body, header.record_count):
            offset = header.base_offset + record.offset_delta
            found.append((offset, record.key, record.value, header.base_timestamp + record.timestamp_delta))
    return [each for each in found if each[0] >= log.log_start_offset]


def compact(
    log: Log,
    checkpoint: int | None = None,
    config: CompactionConfig = COMPACTION,
    now_ms: int = NOW,
    keys_max: int = 1000,
) -> tuple[int, list[Segment]]:
    """Compact all that may be; answers how far the log is clean, and the segments that were replaced."""
    undecided = log.producers.first_open_offset
    stable = log.log_end_offset if undecided is None else undecided
    part = cleanable(log, checkpoint, config, stable, now_ms)
    replaced: list[Segment] = []
    run = clean(log, part, config, keys_max, now_ms, replaced.append)
    while True:
        try:
            next(run)
        except StopIteration as done:
            return int(done.value), replaced


def before_every_change(changes: int, look: Callable[[int], None]) -> None:
    """Look at what is left when power fails before each of so many changes to a disk, and after the last of them."""
    for change in range(changes + 1):
        try:
            look(change)
        except Exception as error:
            error.add_note(f"power failed before change {change}")
            raise
