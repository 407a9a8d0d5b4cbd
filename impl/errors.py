"""Kafka's error codes, the exception that carries them inside the broker, and the one of a disk that fails.

Which code a client gets for a failed disk (KAFKA_STORAGE_ERROR) is decided by whoever answers the client.
Codes and their default messages: `org.apache.kafka.common.protocol.Errors`.
"""

import errno
import os
from enum import IntEnum
from pathlib import Path
from typing import Final


class ErrorCode(IntEnum):
    """The error codes that this broker can answer, by their names in Kafka's protocol guide."""

    UNKNOWN_SERVER_ERROR = -1
    NONE = 0
    OFFSET_OUT_OF_RANGE = 1
    CORRUPT_MESSAGE = 2
    UNKNOWN_TOPIC_OR_PARTITION = 3
    LEADER_NOT_AVAILABLE = 5
    NOT_LEADER_OR_FOLLOWER = 6
    MESSAGE_TOO_LARGE = 10
    OFFSET_METADATA_TOO_LARGE = 12
    COORDINATOR_NOT_AVAILABLE = 15
    INVALID_TOPIC_EXCEPTION = 17
    RECORD_LIST_TOO_LARGE = 18
    INVALID_REQUIRED_ACKS = 21
    ILLEGAL_GENERATION = 22
    INVALID_GROUP_ID = 24
    UNKNOWN_MEMBER_ID = 25
    INVALID_TIMESTAMP = 32
    UNSUPPORTED_VERSION = 35
    TOPIC_ALREADY_EXISTS = 36
    INVALID_PARTITIONS = 37
    INVALID_REPLICATION_FACTOR = 38
    INVALID_REPLICA_ASSIGNMENT = 39
    INVALID_CONFIG = 40
    INVALID_REQUEST = 42
    POLICY_VIOLATION = 44
    OUT_OF_ORDER_SEQUENCE_NUMBER = 45
    INVALID_PRODUCER_EPOCH = 47
    INVALID_TXN_STATE = 48
    INVALID_PRODUCER_ID_MAPPING = 49
    INVALID_TRANSACTION_TIMEOUT = 50
    TRANSACTIONAL_ID_AUTHORIZATION_FAILED = 53
    KAFKA_STORAGE_ERROR = 56
    GROUP_ID_NOT_FOUND = 69
    FETCH_SESSION_ID_NOT_FOUND = 70
    INVALID_FETCH_SESSION_EPOCH = 71
    FENCED_LEADER_EPOCH = 74
    UNKNOWN_LEADER_EPOCH = 75
    UNSUPPORTED_COMPRESSION_TYPE = 76
    INVALID_RECORD = 87
    PRODUCER_FENCED = 90
    UNKNOWN_TOPIC_ID = 100
    INCONSISTENT_TOPIC_ID = 103
    FETCH_SESSION_TOPIC_ID_ERROR = 106
    MISMATCHED_ENDPOINT_TYPE = 114
    UNSUPPORTED_ENDPOINT_TYPE = 115
    TRANSACTION_ABORTABLE = 120


# The default text of INVALID_REQUEST, which some answers show.
INVALID_REQUEST_TEXT = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to "
    "an incompatible broker. See the broker logs for more details."
)


class BrokerError(Exception):
    """A request (or one part of it) that is answered with an error code.

    `message` is what an answer shows where Kafka's protocol has a field for it; it is empty where Kafka would
    send its default text or null.
    """

    def __init__(self, code: ErrorCode, message: str = "") -> None:
        super().__init__(f"{code.name}: {message}" if message else code.name)
        self.code = code
        self.message = message


class DataDirectoryError(Exception):
    """A data directory that this broker can't use: locked, of another node, or damaged. The text says what to do."""


# What an operator can do about a failure of the disk, by its number.
ADVICE: Final = {
    errno.ENOSPC: "free space on this file system, then restart the broker",
    errno.EDQUOT: "raise the quota or free space, then restart the broker",
    errno.EIO: "check the disk, replace it if it is failing, then restart the broker: it recovers what can be read",
    errno.EROFS: "the file system is read-only, often after an error of the disk: check it and mount it again",
    errno.EACCES: "let the broker's user read and write this path",
    errno.EPERM: "let the broker's user read and write this path",
    errno.ENOTDIR: "a part of this path is a file: give another directory",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "raise the limit on open files (fs.file-max)",
    errno.ENOENT: "someone removed it, or its disk is not mounted: mount it first, and restart the broker then "
    "(a start without the disk begins its partitions anew, empty)",
}
OTHER_ADVICE: Final = "see the operating system's log, then restart the broker"


class StorageError(OSError):
    """A file operation that failed: which, on what file, at what position (bytes; None: no position), why.

    As Kafka's KafkaStorageException. After a failed write or flush nothing of that file is believed any more: the
    operating system may have dropped what was written and report success the next time. So the log directory goes
    offline until the broker is restarted and recovers the log from what can be read.
    """

    def __init__(self, operation: str, path: Path, number: int, position: int | None = None) -> None:
        super().__init__(number, os.strerror(number), str(path))
        self.operation = operation
        self.path = path
        self.position = position

    @property
    def is_missing(self) -> bool:
        """Whether a file or directory was not there."""
        return self.errno == errno.ENOENT

    @property
    def advice(self) -> str:
        """What an operator can do about it."""
        return ADVICE.get(self.errno or 0, OTHER_ADVICE)

    def __str__(self) -> str:
        where = f"{self.path}" if self.position is None else f"{self.path} at byte {self.position}"
        return f"cannot {self.operation} {where}: {self.strerror}; {self.advice}"


class CutFileError(StorageError):
    """A file that is not as long as what was written to it: somebody changed it while the broker ran.

    It counts as a disk that failed: nobody knows what else has become of what was acknowledged.
    """

    def __init__(self, path: Path, found: int, written: int) -> None:
        super().__init__("use", path, errno.EIO)
        self.strerror = f"it ends at byte {found}, and was written up to byte {written}"

    @property
    def advice(self) -> str:
        """See `StorageError.advice`."""
        return (
            "somebody else changed it, or its file system lost a part: find out which, then restart the broker, which "
            "recovers what is there"
        )
