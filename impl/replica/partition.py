"""The leader of a partition that has one replica: this broker.

It validates and appends batches, keeps producers to their sequence numbers, answers reads, lookups and epochs
(`kafka.cluster.Partition`). With one replica the in-sync set is always {this broker}, so the high watermark is the
log end offset as soon as an append returns, and `min.insync.replicas` is in effect 1 (KIP-966's effective minimum,
since 3.7). There are no followers, and no transactions but those in logs that Kafka wrote. Times are passed in, in
milliseconds since 1970.
"""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar
from uuid import UUID

import attrs

from impl.errors import BrokerError, ErrorCode, StorageError
from impl.replica.config import PartitionConfig
from impl.replica.validator import validate
from impl.storage.batch import CorruptBatchError, parse_header, stamp
from impl.storage.log import Log, LogSlice
from impl.storage.retention import delete_old_segments
from impl.storage.segment import Segment
from impl.storage.timestamps import TimestampAndOffset
from impl.storage.transactions import AbortedTransaction

logger = logging.getLogger(__name__)

LATEST_TIMESTAMP: Final = -1
EARLIEST_TIMESTAMP: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL_TIMESTAMP: Final = -4
LATEST_TIERED_TIMESTAMP: Final = -5
DELETE_TO_HIGH_WATERMARK: Final = -1
NO_EPOCH: Final = -1
UNKNOWN: Final = -1


Self = TypeVar("Self", bound="Partition")
Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def _needs_disk(
    method: Callable[Concatenate[Self, Rest], Result],
) -> Callable[Concatenate[Self, Rest], Result]:
    """Have a method raise KAFKA_STORAGE_ERROR when the disk fails, and from then on (`HostedPartition.Offline`).

    A batch that is damaged on the disk is CORRUPT_MESSAGE, and takes nothing offline.
    """

    @wraps(method)
    def guarded(self: Self, /, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
        log = self.log
        if log.failure is not None:
            raise BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, str(log.failure))
        try:
            return method(self, *args, **kwargs)
        except StorageError as error:
            log.fail(error)
            raise BrokerError(ErrorCode.KAFKA_STORAGE_ERROR, str(error)) from error
        except CorruptBatchError as error:
            logger.warning("%s: %s", self.name, error)
            raise BrokerError(ErrorCode.CORRUPT_MESSAGE, str(error)) from error

    return guarded


@attrs.frozen(slots=True)
class Appended:
    """Where a batch is in the log. `log_append_time` is -1 unless the broker set the time or it is a duplicate."""

    base_offset: int
    log_append_time: int
    log_start_offset: int


@attrs.frozen(slots=True)
class ReadRequest:
    """What a consumer asks of one partition; epochs are -1 when the client does not know them."""

    offset: int
    bytes_max: int
    current_leader_epoch: int = NO_EPOCH
    last_fetched_epoch: int = NO_EPOCH
    read_committed: bool = False


@attrs.frozen(slots=True)
class ReadResult:
    """A read's records, if any, with the offsets as they were at that time.

    `diverging` is the epoch and end offset at which the reader's log departs from this one (KIP-595).
    `was_skipped` says that the first batch did not fit into the bytes allowed. `aborted` is None unless only what is
    committed was asked for: the reader leaves out what belongs to these.
    """

    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    records: LogSlice | None = None
    diverging: tuple[int, int] | None = None
    was_skipped: bool = False
    aborted: tuple[AbortedTransaction, ...] | None = None


class Partition:
    """One partition and its log. `leader_epoch` grows with every start of the broker."""

    def __init__(self, topic: str, index: int, topic_id: UUID, log: Log, config: PartitionConfig) -> None:
        self.topic = topic
        self.index = index
        self.topic_id = topic_id
        self.name = f"{topic}-{index}"
        self.log = log
        self.config = config
        self._watchers: set[Callable[[], None]] = set()
        self.leader_epoch = self._next_epoch()
        try:
            if log.failure is None:
                log.epochs.assign(self.leader_epoch, log.log_end_offset)
        except StorageError as error:
            log.fail(error)

    def _next_epoch(self) -> int:
        """The epoch in which this broker leads; -1 when the log was not opened, so that nobody knows."""
        if self.log.last_epoch is None:
            return 0 if self.log.failure is None else NO_EPOCH
        return self.log.last_epoch + 1

    @property
    def is_offline(self) -> bool:
        """Whether the log can't be used because its disk failed."""
        return self.log.failure is not None

    @property
    def told_leader_epoch(self) -> int:
        """The epoch that clients are told; raised by one while the partition has no leader because its disk failed."""
        has_followed = self.is_offline and self.leader_epoch != NO_EPOCH
        return self.leader_epoch + 1 if has_followed else self.leader_epoch

    @property
    def high_watermark(self) -> int:
        """The offset up to which records are on all in-sync replicas: all of them."""
        return self.log.log_end_offset

    @property
    def last_stable_offset(self) -> int:
        """The offset up to which no transaction is open (`UnifiedLog.lastStableOffset`)."""
        first = self.log.producers.first_open_offset
        return self.high_watermark if first is None else min(self.high_watermark, max(first, self.log.log_start_offset))

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back after every append, and when the partition is deleted."""
        self._watchers.add(callback)

    def unwatch(self, callback: Callable[[], None]) -> None:
        """Stop calling back."""
        self._watchers.discard(callback)

    def notify(self) -> None:
        """Call all watchers; they may stop watching meanwhile."""
        for callback in tuple(self._watchers):
            callback()

    @_needs_disk
    def append(self, data: memoryview, now_ms: int) -> Appended:
        """Append one batch from a client; `data` is changed in place. Raises BrokerError (see `validate`)."""
        batch = validate(data, self.config, self.name, now_ms)
        log = self.log
        header = batch.header
        offset = log.log_end_offset
        if len(batch.data) > self.config.segment_bytes:
            raise BrokerError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"{len(batch.data)} bytes exceed the segment's {self.config.segment_bytes}",
            )
        log.roll_for(len(batch.data), batch.max_timestamp, offset + header.last_offset_delta, now_ms)
        if header.has_producer_id:
            duplicate = log.producers.find_duplicate(header)
            if duplicate is not None:
                return Appended(duplicate.first_offset, duplicate.timestamp, log.log_start_offset)
            if header.is_transactional:
                raise BrokerError(ErrorCode.INVALID_TXN_STATE, "Record was not part of an ongoing transaction")
            log.producers.check(header)
        stamp(batch.data, offset, self.leader_epoch)
        log.append(batch.data, parse_header(batch.data), batch.max_timestamp)
        self.notify()
        return Appended(offset, now_ms if self.config.log_append_time else UNKNOWN, log.log_start_offset)

    def check_leader_epoch(self, epoch: int) -> None:
        """Raise FENCED_LEADER_EPOCH or UNKNOWN_LEADER_EPOCH unless a client's view is current or not given."""
        if epoch in (NO_EPOCH, self.leader_epoch):
            return
        fenced = epoch < self.leader_epoch
        raise BrokerError(ErrorCode.FENCED_LEADER_EPOCH if fenced else ErrorCode.UNKNOWN_LEADER_EPOCH)

    @_needs_disk
    def read(self, request: ReadRequest, *, at_least_one: bool, from_replica: bool = False) -> ReadResult:
        """What a fetch finds (Partition.fetchRecords).

        Raises OFFSET_OUT_OF_RANGE and the errors of `check_leader_epoch`; NOT_LEADER_OR_FOLLOWER to another
        broker, because this partition has no followers.
        """
        self.check_leader_epoch(request.current_leader_epoch)
        if from_replica:
            raise BrokerError(ErrorCode.NOT_LEADER_OR_FOLLOWER, "the replica is not assigned to the partition")
        log = self.log
        result = ReadResult(self.high_watermark, self.last_stable_offset, log.log_start_offset)
        limit = result.last_stable_offset if request.read_committed else result.high_watermark
        if request.last_fetched_epoch != NO_EPOCH:
            diverging = self._divergence(request)
            if diverging is not None:
                return attrs.evolve(result, diverging=diverging)
        records = log.read(request.offset, request.bytes_max, limit, at_least_one=at_least_one)
        if records is None:
            was_skipped = request.offset < limit and request.bytes_max > 0
            aborted = () if request.read_committed and not was_skipped else None
            return attrs.evolve(result, was_skipped=was_skipped, aborted=aborted)
        found = tuple(log.aborted_among(records, request.offset)) if request.read_committed else None
        return attrs.evolve(result, records=records, aborted=found)

    def _divergence(self, request: ReadRequest) -> tuple[int, int] | None:
        """Where the reader's log departs from this one, by the last epoch that it fetched."""
        epoch, end = self.log.epochs.end_offset_for(request.last_fetched_epoch, self.log.log_end_offset)
        if epoch == UNKNOWN or request.offset < self.log.log_start_offset:
            raise BrokerError(ErrorCode.OFFSET_OUT_OF_RANGE)
        if epoch < request.last_fetched_epoch or end < request.offset:
            return epoch, end
        return None

    @_needs_disk
    def find_offset(
        self, timestamp: int, current_leader_epoch: int, *, read_committed: bool = False
    ) -> TimestampAndOffset | None:
        """The answer to ListOffsets for a timestamp or one of the special ones; None when nothing is found."""
        self.check_leader_epoch(current_leader_epoch)
        log = self.log
        limit = self.last_stable_offset if read_committed else self.high_watermark
        if timestamp == LATEST_TIMESTAMP:
            return TimestampAndOffset(UNKNOWN, limit, self.leader_epoch)
        if timestamp in (EARLIEST_TIMESTAMP, EARLIEST_LOCAL_TIMESTAMP):
            first = log.epochs.entries[0] if log.epochs.entries else None
            known = first is not None and first.start_offset <= log.log_start_offset
            epoch = first.epoch if first is not None and known else NO_EPOCH
            return TimestampAndOffset(UNKNOWN, log.log_start_offset, epoch)
        if timestamp == LATEST_TIERED_TIMESTAMP:
            return TimestampAndOffset(UNKNOWN, UNKNOWN, NO_EPOCH)
        found = log.find_max_timestamp() if timestamp == MAX_TIMESTAMP else log.find_timestamp(timestamp)
        return found if found is not None and found.offset < limit else None

    @_needs_disk
    def end_of_epoch(self, epoch: int, current_leader_epoch: int) -> tuple[int, int]:
        """The answer to OffsetForLeaderEpoch: epoch and end offset, (-1, -1) when not known (KIP-320)."""
        self.check_leader_epoch(current_leader_epoch)
        return self.log.epochs.end_offset_for(epoch, self.log.log_end_offset)

    @_needs_disk
    def delete_records(self, before_offset: int) -> int:
        """Raise the log start offset (KIP-107); answers the new low watermark.

        Raises POLICY_VIOLATION for a topic that is only compacted, OFFSET_OUT_OF_RANGE beyond the high watermark.
        """
        if not self.config.cleanup_delete:
            raise BrokerError(ErrorCode.POLICY_VIOLATION, "records of a compacted topic can not be deleted")
        if before_offset == DELETE_TO_HIGH_WATERMARK:
            before_offset = self.high_watermark
        if not 0 <= before_offset <= self.high_watermark:
            raise BrokerError(ErrorCode.OFFSET_OUT_OF_RANGE)
        self.log.raise_start(before_offset)
        self.notify()
        return self.log.log_start_offset

    def delete_old_segments(self, now_ms: int) -> list[Segment]:
        """Take away what the topic's retention no longer asks for; answers the segments, yet to be removed.

        A disk that fails takes the log offline; nothing is answered then.
        """
        if self.log.failure is not None:
            return []
        try:
            gone = delete_old_segments(self.log, self.config.retention, self.high_watermark, now_ms)
        except StorageError as error:
            self.log.fail(error)
            return []
        if gone:
            logger.info(
                "%s: %d segment(s) are deleted, up to offset %d", self.name, len(gone), self.log.log_start_offset
            )
            self.notify()
        return gone

    def reconfigure(self, config: PartitionConfig) -> None:
        """Use other settings from now on; the log has been given its own (`LogDirectory.configure`)."""
        self.config = config
