"""What a simulated disk holds of one log, read from its bytes and by nothing of the bundled broker's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from struct import Struct

from attrs import field, frozen
from crc32c import crc32c

from impl.storage.simulated import SimulatedFileSystem
from impl.storage.survivors import FileContent
from impl.tests.durability import NAME
from model.reference.segments import DiskBatch, Segment

CHECKPOINT = "recovery-point-offset-checkpoint"
LOG_STARTS = "log-start-offset-checkpoint"
MARKER = ".kafka_cleanshutdown"
LOG, INDEXES = ".log", (".index", ".timeindex")
CHECKPOINT_LINES_BEFORE = 2
HEADER = Struct(">qiibIhi")
"""The beginning of a batch (DefaultRecordBatch): offset, length, leader epoch, magic, CRC, attributes, last delta."""
HEADER_BYTES, LENGTH_COUNTS_FROM, CRC_COUNTS_FROM, MAGIC = 61, 12, 21, 2
INDEX_ENTRY = Struct(">ii")


def segment_found(base_offset: int, content: bytes) -> Segment:
    """A segment's file as the model sees it: its batches, up to the first that is not one."""
    batches: list[DiskBatch] = []
    position, next_offset = 0, base_offset
    while position < len(content):
        batch = batch_found(content, position, next_offset)
        batches.append(batch)
        position, next_offset = position + batch.size, batch.last_offset + 1
        if not batch.is_valid:
            break
    return Segment(base_offset=base_offset, batches=tuple(batches))


def batch_found(content: bytes, position: int, least: int) -> DiskBatch:
    """The batch at a position, whose offsets are at least `least`; all that is left, if there is none."""
    rest = content[position:]
    if len(rest) >= HEADER_BYTES:
        base_offset, length, _, magic, crc, _, delta = HEADER.unpack_from(rest)
        size = LENGTH_COUNTS_FROM + length
        is_whole = magic == MAGIC and HEADER_BYTES <= size <= len(rest) and crc32c(rest[CRC_COUNTS_FROM:size]) == crc
        if is_whole and base_offset >= least and delta >= 0:
            return DiskBatch(base_offset=base_offset, last_offset=base_offset + delta, size=size)
    return DiskBatch(base_offset=least, last_offset=least, size=len(rest), is_valid=False)


def offset_in(files: SimulatedFileSystem, path: Path) -> int:
    """What a checkpoint says of the only log; 0 if nothing."""
    lines = bytes(files.content(path).cached).decode().splitlines() if files.exists(path) else []
    return next((int(line.split()[2]) for line in lines[CHECKPOINT_LINES_BEFORE:] if line.split()[0] == NAME[0]), 0)


def directory_in(home: Path) -> Path:
    """The only log's directory."""
    return home / f"{NAME[0]}-{NAME[1]}"


def segment_names(files: SimulatedFileSystem, home: Path) -> list[str]:
    """The names of the segments, oldest first."""
    directory = directory_in(home)
    return (
        sorted(each for each in files.names(directory).cached if each.endswith(LOG)) if files.exists(directory) else []
    )


@frozen
class Run:
    """The batches that can be read one after the other, from the first segment on up to the first bad byte or hole."""

    first: int | None = None
    """The offset that the first segment begins with; None: there is no segment."""
    batches: tuple[bytes, ...] = ()
    ends: tuple[int, ...] = ()
    """The offset after each of them."""
    leads: tuple[bool, ...] = field(default=(), eq=False)
    """Whether the index, as it is in the file, leads to each of them."""
    whole_segments: Mapping[str, int] = field(factory=dict, eq=False)
    """By name, how many batches there are up to the end of each segment that is whole."""


def run_on(files: SimulatedFileSystem, home: Path) -> Run:
    """What can be read."""
    names = segment_names(files, home)
    batches: list[bytes] = []
    ends: list[int] = []
    leads: list[bool] = []
    whole: dict[str, int] = {}
    first = int(names[0].removesuffix(LOG)) if names else None
    for name in names:
        base = int(name.removesuffix(LOG))
        if base != (ends[-1] if ends else first):
            break
        content = bytes(files.content(directory_in(home) / name).cached)
        good = [each for each in segment_found(base, content).batches if each.is_valid]
        position = 0
        positions = []
        for each in good:
            batches.append(content[position : position + each.size])
            ends.append(each.last_offset + 1)
            positions.append(position)
            position += each.size
        leads += _leads(files, home, name, good, positions)
        if position < len(content):
            break
        whole[name] = len(batches)
    return Run(first, tuple(batches), tuple(ends), tuple(leads), whole)


def _leads(files: SimulatedFileSystem, home: Path, name: str, good: list[DiskBatch], at: list[int]) -> list[bool]:
    """Whether the index leads to the beginning of each batch, or of one before it (OffsetIndex.lookup)."""
    path = directory_in(home) / name.replace(LOG, INDEXES[0])
    content = bytes(files.content(path).cached) if files.exists(path) else b""
    entries = [INDEX_ENTRY.unpack_from(content, place * INDEX_ENTRY.size) for place in range(len(content) // 8)]
    base = int(name.removesuffix(LOG))
    found = []
    for batch, position in zip(good, at, strict=True):
        low, high = 0, len(entries)
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if entries[middle][0] <= batch.base_offset - base else (low, middle)
        start = entries[low - 1][1] if low else 0
        found.append(start in at and start <= position)
    return found


def is_synced(content: FileContent) -> bool:
    """Whether what is read of a file is what is on the disk."""
    return content.durable == bytes(content.cached)


def are_named(files: SimulatedFileSystem, home: Path) -> bool:
    """Whether the names of all segments are on the disk, and of all directories above them."""
    path = directory_in(home)
    for each in (path, *path.parents[:-1]):
        above = files.names(each.parent)
        if above.durable.get(each.name) is not above.cached.get(each.name):
            return False
    inside = files.names(path)
    return all(inside.durable.get(name) is node for name, node in inside.cached.items() if name.endswith(LOG))
