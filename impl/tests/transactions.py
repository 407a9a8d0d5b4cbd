"""Transactions in logs, as tests write them: records, markers, and what of them must be indexed."""

from pathlib import Path
from random import Random
from typing import Final

from impl.storage.batch import TRANSACTIONAL_BIT
from impl.storage.filesystem import FileSystem
from impl.storage.log import Log
from impl.storage.recovery import LogStart
from impl.storage.simulated import SimulatedFileSystem
from impl.storage.transactions import AbortedTransaction
from impl.tests.durability import Violation
from impl.tests.logs import Pair, pairs_batch
from impl.tests.markers import marker_batch
from impl.tests.support import LIMITS, NOW, append

HOME: Final = Path("/logs/t-0")


def plain(key: bytes, value: bytes | None) -> bytearray:
    """A batch of one record that belongs to no transaction."""
    return pairs_batch([(key, value)])


def write(log: Log, producer: int, sequence: int = 0, *, pair: Pair = (b"k", b"v"), time_ms: int = NOW) -> int:
    """Append a record of a transaction; answers its offset."""
    fields = {"producer_id": producer, "producer_epoch": 0, "base_sequence": sequence}
    append(log, pairs_batch([pair], attributes=TRANSACTIONAL_BIT, time_ms=time_ms, **fields))
    return log.log_end_offset - 1


def end(log: Log, producer: int, *, aborts: bool = True, epoch: int = 0, kind: int | None = None) -> int:
    """Append a marker, or another type of control record; answers its offset."""
    append(log, marker_batch(producer, aborts=aborts, epoch=epoch, kind=kind))
    return log.log_end_offset - 1


def aborted(log: Log) -> list[AbortedTransaction]:
    """All that is indexed."""
    return [each for segment in log.segments for each in segment.aborted]


def must_be_indexed(log: Log, expected: list[AbortedTransaction]) -> None:
    """Hold what is indexed to what must be. Raises Violation."""
    found = aborted(log)
    if found != expected:
        raise Violation(f"{found} is indexed instead of {expected}")


def filled(files: FileSystem, directory: Path) -> Log:
    """Three segments: 1 aborts in the second what it began in the first, 2 in the third; 3 commits, 4 goes on."""
    log = Log(files, directory, LIMITS, NOW)
    write(log, 1)
    write(log, 2)
    log.roll(NOW)
    write(log, 3)
    end(log, 1)
    end(log, 3, aborts=False)
    log.roll(NOW)
    write(log, 4)
    end(log, 2)
    return log


EXPECTED: Final = [AbortedTransaction(1, 0, 3, 1), AbortedTransaction(2, 1, 6, 5)]


def check_loss_of_power(seed: int) -> None:
    """What was flushed is indexed after a loss of power, also if the file is younger than the segment's name.

    Raises Violation.
    """
    files = SimulatedFileSystem()
    files.make_directory(HOME.parent)
    files.sync_directory(Path("/"))
    log = Log(files, HOME, LIMITS, NOW)
    write(log, 1)
    log.flush()
    end(log, 1)
    log.flush()
    log.roll(NOW)
    append(log, pairs_batch([(b"k", b"v")]))
    start = LogStart(recovery_point=log.recovery_point)
    found = Log(files.after_power_loss(Random(seed)), HOME, LIMITS, NOW, start)
    must_be_indexed(found, [AbortedTransaction(1, 0, 1, 2)])


def check_restarts() -> None:
    """What was aborted is indexed after a kill, and after a cut that opens a transaction again. Raises Violation."""
    files = SimulatedFileSystem()
    log = filled(files, HOME)
    found = Log(files.after_kill(), HOME, LIMITS, NOW, LogStart())
    must_be_indexed(found, EXPECTED)
    log.truncate_to(EXPECTED[1].last_offset, NOW)
    must_be_indexed(log, EXPECTED[:1])
    end(log, EXPECTED[1].producer_id)
    must_be_indexed(log, EXPECTED)
