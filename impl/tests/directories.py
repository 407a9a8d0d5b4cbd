"""A broker with three log directories on a simulated disk, which can be made to fail in places."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, ErrorCode
from impl.replica.partition import Partition, ReadRequest
from impl.server.broker import Broker
from impl.storage.faults import Fault
from impl.storage.filesystem import FileSystem
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.support import NOW, make_batch, records

FIRST, SECOND, THIRD = PATHS = [Path("/first"), Path("/second"), Path("/third")]
PARTITIONS = 6


def open_broker(files: FileSystem, more: Sequence[Path] = (SECOND, THIRD)) -> Broker:
    """A broker with the three directories, or others beside the first."""
    return Broker(files, FIRST, BrokerConfig(), 1, lambda: NOW, more)


def append(partition: Partition) -> None:
    """Append a batch of one record."""
    partition.append(memoryview(make_batch(records(b"x"))), NOW)


def read(partition: Partition) -> int:
    """How many bytes there are from the start on."""
    found = partition.read(ReadRequest(0, 1000), at_least_one=True).records
    return 0 if found is None else found.size


def filled(*, was_clean: bool = True) -> SimulatedFileSystem:
    """Three directories that hold two partitions of a topic each."""
    files = SimulatedFileSystem()
    broker = open_broker(files)
    broker.create_topic(broker.catalog.check_creation(TopicRequest("t", PARTITIONS)))
    for partition in broker.partitions.values():
        append(partition)
    assert {each.log.directory.parent for each in broker.partitions.values()} == set(PATHS)
    if not was_clean:
        return files.after_kill()
    broker.close()
    return files


@contextmanager
def failing(files: SimulatedFileSystem, *faults: Fault) -> Iterator[None]:
    """While the disk fails so."""
    files.faults.planned += faults
    try:
        yield
    finally:
        files.faults.planned.clear()


def refused(partition: Partition) -> bool:
    """Whether the partition can be neither read nor written."""
    codes = []
    for use in (append, read):
        try:
            use(partition)
        except BrokerError as error:
            codes.append(error.code)
    return codes == [ErrorCode.KAFKA_STORAGE_ERROR] * 2
