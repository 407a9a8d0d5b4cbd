"""Logs with generated transactions, and readers of them: who reads what is committed, and who knows what that is."""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import UUID

import attrs

from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition, ReadRequest, ReadResult
from impl.storage.batch import HEADER_SIZE, BatchHeader, parse_header
from impl.storage.filesystem import RealFileSystem
from impl.storage.log import Log
from impl.storage.records import read_records
from impl.storage.transactions import read_marker
from impl.tests.support import LIMITS, NOW, append
from impl.tests.transactions import end, plain, write

Found = tuple[int, bytes | None, bytes | None]  # offset, key, value
PRODUCERS = range(1, 5)
KEYS = 4


def leader_of(log: Log) -> Partition:
    """Who answers readers of a log."""
    return Partition("t", 0, UUID(int=1), log, BrokerConfig().partition_config({}))


def read(partition: Partition, offset: int, bytes_max: int = 1 << 20) -> ReadResult:
    """What a reader of committed records is answered."""
    return partition.read(ReadRequest(offset, bytes_max, read_committed=True), at_least_one=True)


class DrawnLog:
    """A log of transactions of some producers, with records of none in between, in segments of some batches."""

    def __init__(self, directory: Path, seed: int) -> None:
        self._random = Random(seed)
        limits = attrs.evolve(LIMITS, index_interval_bytes=self._random.choice((0, 200, 4096)))
        self.log = Log(RealFileSystem(), directory, limits, NOW)
        self._decided: list[Found] = []
        self._open: dict[int, list[Found]] = {}
        self._sequences = dict.fromkeys(PRODUCERS, 0)

    @property
    def committed(self) -> list[Found]:
        """All records that were ever committed, or of no transaction, up to where nothing is undecided."""
        first = min((found[0][0] for found in self._open.values()), default=self.log.log_end_offset)
        return sorted(each for each in self._decided if each[0] < first)

    def go_on(self, steps: int = 60) -> None:
        """Write more."""
        for _ in range(steps):
            producer = self._random.choice(PRODUCERS)
            act = self._random.randrange(8)
            pair = b"%d" % self._random.randrange(KEYS), b"%d" % self.log.log_end_offset
            found = (self.log.log_end_offset, *pair)
            if act < 3:
                write(self.log, producer, self._sequences[producer], pair=pair)
                self._sequences[producer] += 1
                self._open.setdefault(producer, []).append(found)
            elif act < 6 and producer in self._open:
                self._end(producer, aborts=self._random.random() < 0.6)
            elif act == 6:
                append(self.log, plain(*pair))
                self._decided.append(found)
            elif self.log.active.size:
                self.log.roll(NOW)

    def _end(self, producer: int, *, aborts: bool) -> None:
        end(self.log, producer, aborts=aborts)
        found = self._open.pop(producer)
        if not aborts:
            self._decided += found


def consumed(partition: Partition, offset: int, bytes_max: int = 1 << 20) -> Iterator[Found]:
    """What a consumer keeps that reads on from an offset, a few bytes at a time (`CompletedFetch`)."""
    while (answer := read(partition, offset, bytes_max)).records is not None:
        assert answer.aborted is not None
        to_come = sorted(answer.aborted, key=lambda each: each.first_offset)
        dropped: set[int] = set()
        records = answer.records
        for header, batch in _whole(records.file.read_at(records.position, records.size)):
            while to_come and to_come[0].first_offset <= header.last_offset:
                dropped.add(to_come.pop(0).producer_id)
            marker = read_marker(batch, header) if header.is_control else None
            if marker is not None and marker.is_abort:
                dropped.discard(header.producer_id)
            is_dropped = header.is_transactional and header.producer_id in dropped
            if not header.is_control and not is_dropped:
                yield from (each for each in _records(header, batch) if each[0] >= offset)
            offset = header.next_offset


def _whole(content: bytes) -> Iterator[tuple[BatchHeader, bytes]]:
    """The batches that are there to their last byte."""
    while len(content) >= HEADER_SIZE and (header := parse_header(content)).size <= len(content):
        yield header, content[: header.size]
        content = content[header.size :]


def _records(header: BatchHeader, batch: bytes) -> Iterator[Found]:
    for record in read_records(batch[HEADER_SIZE:], header.record_count):
        yield header.base_offset + record.offset_delta, record.key, record.value
