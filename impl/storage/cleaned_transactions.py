"""What a compaction that goes over a log knows of its transactions (`CleanedTransactionMetadata`).

Which of them were aborted is known beforehand, from the indexes; that one was committed is only known when its marker
comes. A marker stays as long as there is a batch of its transaction, and for a while longer.
"""

from collections.abc import Iterable
from heapq import heappop, heappush

import attrs

from impl.storage.batch import BatchHeader
from impl.storage.transactions import AbortedTransaction, Marker


@attrs.define(slots=True)
class _Ongoing:
    """An aborted transaction whose marker is still to come, and whether a batch of it was seen."""

    transaction: AbortedTransaction
    was_seen: bool = False


class CleanedTransactions:
    """The transactions that are open where the pass is. Batches are shown to it in the order of their offsets."""

    def __init__(self) -> None:
        self._to_come: list[tuple[int, int, AbortedTransaction]] = []  # by where they begin
        self._aborted: dict[int, _Ongoing] = {}
        self._committed: set[int] = set()
        self._still_there: list[AbortedTransaction] = []

    def expect(self, aborted: Iterable[AbortedTransaction]) -> None:
        """Take note of aborted transactions of what comes next; some may be known already."""
        for each in aborted:
            heappush(self._to_come, (each.first_offset, each.last_offset, each))

    def is_aborted(self, header: BatchHeader) -> bool:
        """Whether a batch of records belongs to a transaction that was aborted (`onBatchRead`)."""
        self._begin_up_to(header.last_offset)
        if not header.is_transactional:
            return False
        ongoing = self._aborted.get(header.producer_id)
        if ongoing is None:
            self._committed.add(header.producer_id)
            return False
        ongoing.was_seen = True
        return True

    def is_over(self, header: BatchHeader, marker: Marker | None) -> bool:
        """Whether no batch is left of the transaction that a control batch ends (`onControlBatchRead`).

        `marker` is None for a control batch that is not an end-of-transaction marker. An empty control batch was
        cleaned before.
        """
        self._begin_up_to(header.last_offset)
        if not header.record_count:
            return True
        if marker is None:
            return False
        if not marker.is_abort:
            was_seen = header.producer_id in self._committed
            self._committed.discard(header.producer_id)
            return not was_seen
        ongoing = self._aborted.pop(header.producer_id, None)
        if ongoing is None or not ongoing.was_seen:
            return True
        self._still_there.append(ongoing.transaction)
        return False

    def still_there(self) -> list[AbortedTransaction]:
        """The aborted transactions that the index of the new segment must have, since this was asked last."""
        found, self._still_there = self._still_there, []
        return found

    def _begin_up_to(self, offset: int) -> None:
        while self._to_come and self._to_come[0][0] <= offset:
            _, _, transaction = heappop(self._to_come)
            self._aborted.setdefault(transaction.producer_id, _Ongoing(transaction))
