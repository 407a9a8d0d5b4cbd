"""What the tests of the broker share: batches to append, logs to append them to, a broker as a process."""

import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from crc32c import crc32c

from impl.cluster.configs import BrokerConfig
from impl.replica.partition import Partition
from impl.storage.batch import (
    CHECKED_FROM,
    CRC_FIELD,
    CRC_POSITION,
    HEADER,
    HEADER_SIZE,
    LOG_OVERHEAD,
    parse_header,
    stamp,
)
from impl.storage.compression import compress
from impl.storage.filesystem import RealFileSystem
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log
from impl.storage.records import Record, encode_record
from impl.storage.recovery import LogStart

ROOT = Path(__file__).parents[2]
NOW = 1_700_000_000_000
LIMITS = SegmentLimits(bytes_max=1 << 30, age_ms_max=1 << 60, index_bytes_max=10 << 20, index_interval_bytes=4096)
STOP_CEILING_S = 10.0


def records(*values: bytes | None, key: bytes | None = None) -> list[Record]:
    """Records with these values."""
    return [Record(0, 0, number, key, value, b"\x00") for number, value in enumerate(values)]


def make_batch(content: Sequence[Record], codec: int = 0, time_ms: int = NOW, **fields: int) -> bytearray:
    """A batch as a client sends it; `fields` replace fields of the header, and the CRC is right for them."""
    body = bytearray()
    for record in content:
        encode_record(body, record.timestamp_delta, record.offset_delta, record)
    packed = compress(codec, bytes(body))
    latest = time_ms + max((record.timestamp_delta for record in content), default=0)
    header = {
        "base_offset": 0,
        "length": HEADER_SIZE - LOG_OVERHEAD + len(packed),
        "partition_leader_epoch": -1,
        "magic": 2,
        "crc": 0,
        "attributes": codec,
        "last_offset_delta": len(content) - 1,
        "base_timestamp": time_ms,
        "max_timestamp": latest,
        "producer_id": -1,
        "producer_epoch": -1,
        "base_sequence": -1,
        "record_count": len(content),
    } | fields
    batch = bytearray(HEADER_SIZE) + packed
    HEADER.pack_into(batch, 0, *header.values())
    CRC_FIELD.pack_into(batch, CRC_POSITION, crc32c(memoryview(batch)[CHECKED_FROM:]))
    return batch


def open_log(
    directory: Path, limits: SegmentLimits = LIMITS, *, log_start_offset: int = 0, was_clean: bool = False
) -> Log:
    """A log in a directory."""
    return Log(RealFileSystem(), directory, limits, NOW, LogStart(log_start_offset, was_clean, 1 << 60))


def append(log: Log, batch: bytearray, epoch: int = 0) -> None:
    """Stamp and append a batch as a leader does."""
    header = parse_header(batch)
    log.roll_for(len(batch), header.max_timestamp, log.log_end_offset + header.last_offset_delta, NOW)
    stamp(batch, log.log_end_offset, epoch)
    log.append(batch, parse_header(batch), header.max_timestamp)


def open_partition(directory: Path, **configs: str) -> Partition:
    """The leader of partition t-0, with topic configs given with underscores for periods."""
    overrides = {name.replace("_", "."): value for name, value in configs.items()}
    config = BrokerConfig().partition_config(overrides)
    log = open_log(directory, config.segment_limits)
    return Partition("t", 0, UUID(int=1), log, config)


class BrokerProcess:
    """A broker as a process of its own; `address` is where it listens."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self.address = ""
        self.start()

    def start(self) -> None:
        """Start, and wait for the line that says where it listens."""
        port = self.address.rpartition(":")[2] or "0"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "impl", "--data", str(self.data), "--port", port, *self._options],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.startswith("listening on "), line
        self.address = line.removeprefix("listening on ").strip()

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.address.rpartition(":")[2])

    def stop(self, number: int = signal.SIGTERM) -> float:
        """End the process by a signal; answers the seconds that it took."""
        assert self._process is not None
        began = time.monotonic()
        self._process.send_signal(number)
        self._process.wait(STOP_CEILING_S)
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._process = None
        return time.monotonic() - began

    def close(self) -> None:
        """End the process if it still runs."""
        if self._process is not None:
            self.stop(signal.SIGKILL)
