"""What a deletion or a compaction that a stop interrupted has left in a log's directory (`LogLoader.load`).

Files that end in `.deleted` were to be removed, and are; `.cleaned` are the unfinished result of a compaction, and go.
`.swap` are a finished result: the segments that it replaces go, and it takes their place. Indexes without a segment go,
and so do files that were to take the place of others, but did not. Nothing here looks into batches beyond the last one
of a `.swap` file.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from impl.storage.checkpoints import OFFSET_MAX
from impl.storage.filesystem import BESIDE, FileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.segment import DELETED, INDEX, LOG, TIME_INDEX, TRANSACTION_INDEX, Segment, file_name

logger = logging.getLogger(__name__)

CLEANED: Final = ".cleaned"
SWAP: Final = ".swap"


def finish_interrupted(files: FileSystem, directory: Path, limits: SegmentLimits) -> None:
    """Remove or put in place what is left over, before the log's segments are opened."""
    names = files.list_names(directory)
    _remove_unwritten(files, directory, names)
    if any(name.endswith((DELETED, CLEANED, SWAP)) for name in names):
        _finish(files, directory, limits, names)
        names = files.list_names(directory)
    bases = {base_offset_of(name) for name in names if name.endswith(LOG)}
    for name in names:
        if name.endswith(LOG) and base_offset_of(name) < 0:
            logger.warning("%s is not named after an offset, and is left alone", directory / name)
        if name.endswith((INDEX, TIME_INDEX, TRANSACTION_INDEX)) and base_offset_of(name) not in bases:
            logger.warning("removing %s: there is no segment that it belongs to", directory / name)
            files.remove(directory / name)


def _remove_unwritten(files: FileSystem, directory: Path, names: Sequence[str]) -> None:
    """Remove files that were written beside others, to replace them.

    A snapshot of the same offset would be written over one, and is not flushed: after a loss of power the old content
    could be found by the new name, and its checksum is right.
    """
    for name in names:
        if name.endswith(BESIDE):
            files.remove(directory / name)


def _finish(files: FileSystem, directory: Path, limits: SegmentLimits, names: Sequence[str]) -> None:
    """Finish or undo what was interrupted, by the endings of the files that it has left."""
    cleaned = [name for name in names if name.endswith(CLEANED)]
    # A swap that had only begun: some of its files still have the old ending. The old segments are all there.
    begun = min((base for name in cleaned if (base := base_offset_of(name)) >= 0), default=2**63)
    unusable = [name for name in names if name.endswith(SWAP) and not 0 <= base_offset_of(name) < begun]
    for name in [each for each in names if each.endswith(DELETED)] + unusable + cleaned:
        logger.info("removing %s, which a stop has left over", directory / name)
        files.remove(directory / name)
    swaps = [name for name in files.list_names(directory) if name.endswith(SWAP)]
    swaps.sort(key=lambda name: name.endswith(LOG + SWAP))  # batches last, as in `Segment.rename`: this may be stopped
    finished = [base_offset_of(name) for name in swaps if name.endswith(LOG + SWAP)]
    if finished:
        end = max(_end(files, directory, base, limits) for base in finished)
        _remove_replaced(files, directory, min(finished), end)
    for name in swaps:
        if not _is_finished(name, swaps):
            logger.info("removing %s, which a stop has left over", directory / name)
            files.remove(directory / name)
            continue
        logger.info("putting %s in its place, which a stop has prevented", directory / name)
        files.rename(directory / name, directory / name.removesuffix(SWAP))


def _is_finished(name: str, swaps: Sequence[str]) -> bool:
    """Whether the batches of a swapped file's segment have come as far as it has.

    An index without them would take the place of the old segment's.
    """
    return file_name(base_offset_of(name), LOG + SWAP) in swaps


def base_offset_of(name: str) -> int:
    """The base offset that a segment's file is named after; -1 for other files, and those beyond 64 bits."""
    digits = name.partition(".")[0]
    offset = int(digits) if digits.isascii() and digits.isdecimal() else -1
    return offset if offset <= OFFSET_MAX and file_name(offset, "") == digits else -1


def _end(files: FileSystem, directory: Path, base_offset: int, limits: SegmentLimits) -> int:
    """The offset after the last record of a finished compaction."""
    names = files.list_names(directory)
    segment = Segment(files, directory, base_offset, limits, 0, SWAP)
    last = segment.catch_up()
    segment.abandon()
    for suffix in (INDEX, TIME_INDEX):
        if segment.path(suffix).name not in names:  # it has its final name already, or is to be made anew
            files.remove(segment.path(suffix))
    return last.header.next_offset if last is not None else base_offset


def _remove_replaced(files: FileSystem, directory: Path, first: int, end: int) -> None:
    """Remove the files of the segments that a finished compaction has read, from `first` to before `end`.

    An index of transactions may be in its place already, and can't be made anew. There is a new one if the old one had
    any entry.
    """
    names = files.list_names(directory)
    for name in names:
        is_new = name.endswith(TRANSACTION_INDEX) and base_offset_of(name) == first and name + SWAP not in names
        if first <= base_offset_of(name) < end and not name.endswith(SWAP) and not is_new:
            files.remove(directory / name)
