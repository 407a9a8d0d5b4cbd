"""Aborted transactions: the marker that ends one in the log, and the `.txnindex` beside its segment.

A transaction's last batch is a control batch whose key says whether it was committed or aborted; whoever reads only
what is committed is told of the aborted ones in range (KIP-98, `TransactionIndex`, `AbortedTxn`). The index of a
segment has an entry for each abort marker in it, in their order; there is no file as long as there is none. An entry is
in the page cache when it was added. Which transactions are open is known by `producer_state`.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from struct import Struct
from typing import Final

import attrs

from impl.storage.batch import HEADER_SIZE, BatchHeader
from impl.storage.filesystem import File
from impl.storage.records import InvalidRecordError, read_record

ENTRY = Struct(">hqqqq")  # version, producer id, first and last offset, last stable offset
VERSION: Final = 0
MARKER_KEY = Struct(">hh")  # version, type
MARKER_VALUE = Struct(">hi")  # version, coordinator's epoch
ABORT: Final = 0
COMMIT: Final = 1
MARKERS: Final = (ABORT, COMMIT)


@attrs.frozen(slots=True)
class Marker:
    """The end of a transaction, as its coordinator wrote it (`EndTransactionMarker`)."""

    is_abort: bool
    coordinator_epoch: int


@attrs.frozen(slots=True)
class AbortedTransaction:
    """A transaction of one partition that was aborted.

    `last_offset` is that of its marker; `last_stable_offset` is where the first transaction began that was open then,
    or what follows the marker.
    """

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


def read_marker(batch: bytes, header: BatchHeader) -> Marker | None:
    """The marker in a control batch; None in one that compaction has emptied, or that ends no transaction.

    Control records of other types are no markers (`ControlRecordType`, `CleanedTransactionMetadata`).
    """
    if not header.record_count:
        return None
    try:
        record = read_record(batch[HEADER_SIZE:], 0)
    except InvalidRecordError:
        return None
    key, value = record.key or b"", record.value or b""
    if len(key) < MARKER_KEY.size or len(value) < MARKER_VALUE.size:
        return None
    _, kind = MARKER_KEY.unpack_from(key)
    if kind not in MARKERS:
        return None
    _, epoch = MARKER_VALUE.unpack_from(value)
    return Marker(kind == ABORT, epoch)


def collect_aborted(indexes: Iterable[Sequence[AbortedTransaction]], offset: int, end: int) -> list[AbortedTransaction]:
    """The transactions that may have records from `offset` to before `end`, by the indexes from there on.

    When one says that all before `end` was decided by then, the others are not looked at
    (`TransactionIndex.collectAbortedTxns`).
    """
    found = []
    for each in chain.from_iterable(indexes):
        if each.last_offset >= offset and each.first_offset < end:
            found.append(each)
        if each.last_stable_offset >= end:
            break
    return found


class TransactionIndex:
    """The entries of one `.txnindex`. Offsets of markers ascend."""

    def __init__(self, file: File) -> None:
        self._file = file

    def entries(self) -> list[AbortedTransaction]:
        """All entries that are whole."""
        content = self._file.read_at(0, self._file.size())
        whole = len(content) // ENTRY.size * ENTRY.size
        return [AbortedTransaction(*fields) for _, *fields in ENTRY.iter_unpack(content[:whole])]

    def append(self, aborted: Sequence[AbortedTransaction]) -> None:
        """Add transactions whose markers follow those that are here."""
        content = b"".join(ENTRY.pack(VERSION, *attrs.astuple(each)) for each in aborted)
        self._file.write_at(self._file.size(), (content,))

    def truncate_before(self, offset: int) -> None:
        """Forget the transactions whose markers are at an offset or after it (`TransactionIndex.truncateTo`)."""
        kept = sum(each.last_offset < offset for each in self.entries())
        self._file.truncate(kept * ENTRY.size)

    def fits(self, base_offset: int, end_offset: int) -> bool:
        """Whether entries are whole, of a version that is known, and about markers between two offsets, in order.

        Kafka only looks whether they are before the first (`TransactionIndex.sanityCheck`).
        """
        content = self._file.read_at(0, self._file.size())
        if len(content) % ENTRY.size or any(version != VERSION for version, *_ in ENTRY.iter_unpack(content)):
            return False
        markers = [each.last_offset for each in self.entries()]
        return markers == sorted(set(markers)) and all(base_offset <= each < end_offset for each in markers)
