"""A log of the broker's own, from which a part of its state is learned at the start.

Records have a key and a value, or none to forget the key. As long as the log can't be replayed there is no broker: to
go on without what it says would have consumers begin anew, and give producers that were fenced their epochs back.
"""

import struct
from collections.abc import Callable, Sequence
from typing import Final

from impl.errors import DataDirectoryError
from impl.storage.batch import DamagedBatchError, parse_header, stamp
from impl.storage.builder import build_plain_batch
from impl.storage.log import Log
from impl.storage.records import Record
from impl.storage.segment import LOG, BatchAt
from impl.storage.stored_records import records_in

LEADER_EPOCH: Final = 0
Pair = tuple[bytes, bytes | None]
Apply = Callable[[bytes, bytes | None], None]


class StateLog:
    """Appends to such a log, and reads it again. `loss` says what is lost with it."""

    def __init__(self, log: Log, loss: str) -> None:
        self._log = log
        self._loss = loss

    def append(self, pairs: Sequence[Pair], now_ms: int) -> None:
        """Append keys and values in one batch. Raises StorageError."""
        batch = build_plain_batch(pairs, now_ms)
        offset = self._log.log_end_offset
        self._log.roll_for(len(batch), now_ms, offset + len(pairs) - 1, now_ms)
        stamp(batch, offset, LEADER_EPOCH)
        self._log.append(batch, parse_header(batch), now_ms)

    def flush(self) -> None:
        """Make what was appended durable. Raises StorageError."""
        self._log.flush()

    def replay(self, apply: Apply) -> None:
        """Apply all records in their order; `apply` raises ValueError or struct.error for what it can't understand.

        Raises DataDirectoryError, StorageError.
        """
        try:
            for header, segment, position in self._log.batches(self._log.log_start_offset):
                for record in records_in(segment, BatchAt(position, header)):
                    offset = header.base_offset + record.offset_delta
                    self._apply(apply, record, f"{segment.path(LOG)} at byte {position}, offset {offset}")
        except DamagedBatchError as error:
            raise self._refusal(error.where, error.why) from error

    def _apply(self, apply: Apply, record: Record, where: str) -> None:
        try:
            apply(record.key or b"", record.value)
        except (ValueError, struct.error) as error:
            raise self._refusal(where, str(error)) from error

    def _refusal(self, where: str, why: str) -> DataDirectoryError:
        directory = self._log.directory
        return DataDirectoryError(
            f"{where}: the broker's own log can't be read ({why}); restore {directory}, or move it away and start "
            f"again: {self._loss} then"
        )
