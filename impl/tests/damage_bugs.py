"""Bits that flip on the disk under a log, bugs that the broker could have with them, and the checks that see each.

Where no batch can be, a reader is told the file and the byte. Nothing goes offline, and nobody reads what was not sent,
unless the flipped bit is in a field that the checksum leaves out.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import attrs

from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, ErrorCode
from impl.replica.partition import MAX_TIMESTAMP, Partition, ReadRequest
from impl.storage.batch import (
    CRC_POSITION,
    HEADER_SIZE,
    SIZE_POSITION,
    CorruptBatchError,
    parse_header,
    split_batches,
    stored_crc_matches,
)
from impl.storage.cleaner import clean, cleanable
from impl.storage.compression import ZSTD
from impl.storage.log import Log
from impl.storage.recovery import LogRecovery, LogStart, recover_segment
from impl.storage.segment import LOG, BatchAt, Segment, file_name
from impl.storage.simulated import SimulatedFileSystem
from impl.storage.snapshots import SUFFIX
from impl.storage.stored_records import records_in
from impl.tests.durability import Violation
from impl.tests.logs import COMPACTION, pairs_batch
from impl.tests.storage_bugs import StorageBug
from impl.tests.support import LIMITS, NOW, append

HOME: Final = Path("/logs/t-0")
BATCHES: Final = 8  # of two records each, three in a segment
SEGMENTS: Final = (0, 6, 12)
UNCHECKED: Final = {*range(SIZE_POSITION), *range(SIZE_POSITION + 4, CRC_POSITION - 1)}  # base offset and leader epoch
STEPS_MAX: Final = 100
PAIRS: Final = {(b"b", b"v" * 20), *((b"a", b"%d" % number) for number in range(BATCHES))}


@attrs.frozen
class Flip:
    """A bit of a batch that flips: in which segment, at which byte of it and of the batch."""

    base_offset: int
    begin: int  # of the batch
    place: int
    bit: int


@attrs.frozen
class Kept:
    """A log on a disk, closed, with all that was appended to it."""

    files: SimulatedFileSystem
    batches: tuple[bytes, ...]

    @property
    def timestamps(self) -> list[int]:
        """Those that records have."""
        return [NOW + 10 * number + each for number in range(BATCHES) for each in range(2)]


def kept(codec: int = 0) -> Kept:
    """A log of three segments."""
    files = SimulatedFileSystem()
    made = [
        pairs_batch([(b"a", b"%d" % number), (b"b", b"v" * 20)], codec=codec, time_ms=NOW + 10 * number)
        for number in range(BATCHES)
    ]
    log = open_log(files, bytes_max=3 * max(map(len, made)))
    for batch in made:
        append(log, batch)
    if tuple(segment.base_offset for segment in log.segments) != SEGMENTS:
        raise AssertionError(log.segments)
    log.close()
    return Kept(files, tuple(bytes(batch) for batch in made))


def open_log(files: SimulatedFileSystem, bytes_max: int = LIMITS.bytes_max) -> Log:
    """A log that was closed cleanly."""
    limits = attrs.evolve(LIMITS, bytes_max=bytes_max, index_interval_bytes=150)
    return Log(
        files, HOME, limits, NOW, LogStart(was_clean=True, recovery_point=2 * BATCHES, producer_age_ms_max=1 << 60)
    )


def every_bit(size: int) -> Iterator[tuple[int, int]]:
    """Every bit of a batch's header, and those of its body."""
    yield from ((place, bit) for place in range(HEADER_SIZE) for bit in range(8))
    yield from bits_of_the_body(size)


def bits_of_the_body(size: int) -> Iterator[tuple[int, int]]:
    """One bit of each byte after a batch's header."""
    yield from ((place, place % 8) for place in range(HEADER_SIZE, size))


def bits_of_the_offset(_: int) -> Iterator[tuple[int, int]]:
    """Every bit of a batch's first offset."""
    yield from ((place, bit) for place in range(SIZE_POSITION) for bit in range(8))


def bits_of_the_size(_: int) -> Iterator[tuple[int, int]]:
    """Every bit of what says how long the batch is."""
    yield from ((SIZE_POSITION + place, bit) for place in range(4) for bit in range(8))


def must_be_told(error: BrokerError, flip: Flip) -> None:
    """A reader is told the file, or that there is nothing any more. Raises Violation."""
    if error.code == ErrorCode.OFFSET_OUT_OF_RANGE and flip.base_offset == SEGMENTS[-1]:
        return  # cut at the start, which is told in the log
    if error.code != ErrorCode.CORRUPT_MESSAGE or file_name(flip.base_offset, LOG) not in str(error):
        raise Violation(f"a reader is told {error}") from error


def must_read_what_was_sent(partition: Partition, log: Kept, flip: Flip) -> None:
    """Fetch from every offset, and look for every timestamp. Raises Violation."""
    for offset in range(0, 2 * BATCHES, 2):
        try:
            found = partition.read(ReadRequest(offset, 1), at_least_one=True).records
        except BrokerError as error:
            must_be_told(error, flip)
            continue
        data = found.file.read_at(found.position, found.size) if found is not None else b""
        for batch in split_batches(data):
            if stored_crc_matches(batch) and flip.place not in UNCHECKED and bytes(batch) not in log.batches:
                raise Violation(f"offset {offset} has a batch that nobody has sent: {parse_header(batch)}")
    for timestamp in (*log.timestamps[1::4], MAX_TIMESTAMP):
        try:
            answer = partition.find_offset(timestamp, -1)
        except BrokerError as error:
            must_be_told(error, flip)
            continue
        if answer is not None and answer.timestamp not in log.timestamps:
            raise Violation(f"{answer} is about no record")


def must_keep_to_their_segments(log: Log) -> None:
    """Read all segments but the last: no batch that is found has an offset of another one. Raises Violation."""
    for segment, follower in pairwise(log.segments):
        with suppress(CorruptBatchError):
            for header in (batch.header for batch in segment.batches_from(0)):
                if not segment.base_offset <= header.base_offset <= header.last_offset < follower.base_offset:
                    raise Violation(f"{segment.path(LOG)} has {header}")


def must_be_compacted_or_refused(log: Log, flip: Flip) -> None:
    """Compact a log; what it has then was sent. Raises Violation."""
    run = clean(log, cleanable(log, None, COMPACTION, log.log_end_offset, NOW), COMPACTION, 1000, NOW, lambda _: None)
    try:
        for _ in range(STEPS_MAX):
            next(run)
        raise Violation("a compaction does not end")
    except StopIteration:
        pass
    except CorruptBatchError as error:
        if file_name(flip.base_offset, LOG) not in str(error):
            raise Violation(f"a compaction ends with {error}") from error
    with suppress(CorruptBatchError):  # of a segment that was left alone
        for header, segment, position in log.batches(0):
            pairs = {(record.key, record.value) for record in records_in(segment, BatchAt(position, header))}
            if not pairs <= PAIRS:
                raise Violation(f"a compaction leaves {pairs - PAIRS}, which nobody has sent")


def check_a_flip(log: Kept, flip: Flip) -> None:
    """Flip a bit of a closed log, start, read, and compact. Raises Violation."""
    files = log.files.after_kill()
    damaged = HOME / file_name(flip.base_offset, LOG)
    files.content(damaged).flip(flip.begin + flip.place, flip.bit)
    before = files.read_file(damaged)
    try:
        opened = open_log(files)
        kept_by_start = files.read_file(damaged)
        must_keep_to_their_segments(opened)
        partition = Partition("t", 0, UUID(int=1), opened, BrokerConfig().partition_config({}))
        must_read_what_was_sent(partition, log, flip)
        must_be_compacted_or_refused(opened, flip)
    except Exception as error:
        raise Violation(f"{flip}: {error!r}") from error
    if flip.base_offset != SEGMENTS[-1] and kept_by_start != before:
        raise Violation(f"{flip}: the start changes a segment that others follow")
    if opened.failure is not None:
        raise Violation(f"{flip} takes the log offline: {opened.failure}")


def check_a_start_without_snapshots() -> None:
    """Snapshots of producers are lost, so that damaged segments are read. Raises Violation."""
    log = kept()
    for name in log.files.list_names(HOME):
        if name.endswith(SUFFIX):
            log.files.remove(HOME / name)
    check_flips(log, bits_of_the_size)


def check_flips(
    log: Kept, places: Callable[[int], Iterator[tuple[int, int]]], numbers: Sequence[int] = (4, BATCHES - 1)
) -> None:
    """Flip bits of a batch in the middle of an older segment, and of the log's last one. Raises Violation."""
    for number in numbers:
        base_offset = SEGMENTS[number // 3]
        begin = sum(len(batch) for batch in log.batches[base_offset // 2 : number])
        for place, bit in places(len(log.batches[number])):
            check_a_flip(log, Flip(base_offset, begin, place, bit))


CHECKS: Final[tuple[Callable[[], None], ...]] = (
    lambda: check_flips(kept(), bits_of_the_offset, (3, 5)),  # the first and the last of an older segment
    check_a_start_without_snapshots,
    lambda: check_flips(kept(), every_bit),
    lambda: check_flips(kept(ZSTD), bits_of_the_body),
)


def _believe_any_size(_: Any) -> Callable[..., Iterator[BatchAt]]:
    def batches_from(self: Segment, position: int) -> Iterator[BatchAt]:
        while self.size - position >= HEADER_SIZE:
            header = parse_header(self.read(position, HEADER_SIZE))
            yield BatchAt(position, header)
            position += header.size

    return batches_from


def _cut_what_is_trusted(_: Any) -> Callable[[LogRecovery, int], None]:
    def trust(self: LogRecovery, number: int) -> None:
        if not self._indexes_fit(self.segments[number]):
            recover_segment(self.segments[number])

    return trust


def _never(_: Any) -> type[Exception]:
    """An exception that nobody raises, in the place of one that should be caught."""
    return type("Never", (Exception,), {})


def _read_unchecked(_: Any) -> Callable[[Segment, BatchAt], bytes]:
    return lambda segment, batch: segment.read(batch.position, batch.header.size)


BUGS: Final = (
    StorageBug("compaction takes any bytes", "impl.storage.cleaner.checked", _read_unchecked),
    StorageBug("any size is believed", "impl.storage.segment.Segment.batches_from", _believe_any_size),
    StorageBug("a segment that others follow is cut", "impl.storage.recovery.LogRecovery._trust", _cut_what_is_trusted),
    StorageBug("any offset is believed", "impl.storage.recovery.LogRecovery._trust", lambda _: lambda *_: None),
    StorageBug("a damaged tail stops the start", "impl.storage.recovery.CorruptBatchError", _never),
    StorageBug("damage stops learning of producers", "impl.storage.snapshots.CorruptBatchError", _never),
    StorageBug("damage is told without its type", "impl.replica.partition.CorruptBatchError", _never),
    StorageBug(
        "checksums are not looked at", "impl.storage.stored_records.stored_crc_matches", lambda _: lambda _: True
    ),
)
