"""Markers as tests append them, and what a log must know of the transactions that they end."""

from collections.abc import Iterable, Sequence
from typing import Final

from impl.storage.batch import CONTROL_BIT, TRANSACTIONAL_BIT, BatchHeader, parse_header
from impl.storage.log import Log
from impl.storage.records import Record
from impl.storage.transactions import ABORT, COMMIT, MARKER_KEY, MARKER_VALUE, read_marker
from impl.tests.support import NOW, make_batch

COORDINATOR_EPOCH: Final = 3


def marker_batch(
    producer: int, *, aborts: bool, epoch: int = 0, time_ms: int = NOW, kind: int | None = None
) -> bytearray:
    """A control batch with the marker that ends a transaction, or with another type of control record."""
    if kind is None:
        kind = ABORT if aborts else COMMIT
    content = [Record(0, 0, 0, MARKER_KEY.pack(0, kind), MARKER_VALUE.pack(0, COORDINATOR_EPOCH), b"\x00")]
    fields = {"producer_id": producer, "producer_epoch": epoch, "attributes": TRANSACTIONAL_BIT | CONTROL_BIT}
    return make_batch(content, time_ms=time_ms, **fields)


def misjudged_transactions(log: Log, batches: Sequence[bytes]) -> str | None:
    """What a log gets wrong of the transactions in all batches that were ever appended up to its end; None: nothing.

    A reader of what is committed must be told of each that was aborted, and of no other; and be given nothing from
    where the first batch is that is undecided.
    """
    decided, undecided = _outcomes(batches)
    start, end = log.log_start_offset, log.log_end_offset
    told = log.aborted_between(start, end)
    for header, is_aborted in decided:
        is_told = any(
            each.producer_id == header.producer_id and each.first_offset <= header.base_offset < each.last_offset
            for each in told
        )
        if header.last_offset >= start and is_told != is_aborted:
            return f"offset {header.base_offset} is aborted: {is_aborted}; a reader is told {is_told}"
    first = log.producers.first_open_offset
    known = [header.base_offset for header in undecided if header.last_offset >= start]
    if known and (first is None or first > min(known)):
        return f"offset {min(known)} is undecided, but the first that is known is {first}"
    if first is not None and first not in [header.base_offset for header in undecided]:
        return f"nothing is decided from {first} on, where no transaction is open"
    return None


def _outcomes(batches: Iterable[bytes]) -> tuple[list[tuple[BatchHeader, bool]], list[BatchHeader]]:
    """The headers of all batches of transactions: with whether they were aborted, and those that are undecided."""
    decided: list[tuple[BatchHeader, bool]] = []
    undecided: dict[int, list[BatchHeader]] = {}
    for batch in batches:
        header = parse_header(batch)
        if not header.is_transactional:
            continue
        marker = read_marker(batch, header) if header.is_control else None
        if marker is None:
            undecided.setdefault(header.producer_id, []).append(header)
        else:
            decided += [(each, marker.is_abort) for each in undecided.pop(header.producer_id, ())]
    return decided, [header for headers in undecided.values() for header in headers]
