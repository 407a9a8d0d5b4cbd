"""Transactional ids, and the producer id and epoch that each stands for (KIP-98, KIP-360).

Only InitProducerId is here: a transaction can't be begun yet, so every id is in the state Empty
(`TransactionCoordinator.handleInitProducerId`, `TransactionMetadata`). Keys and values are encoded as in Kafka's
`__transaction_state` (`TransactionLogKey`, `TransactionLogValue`, both version 0) in a log of their own. As in Kafka
before version 1 of the value, the epoch before the current one is forgotten by a restart.
"""

from collections.abc import Callable
from struct import Struct
from typing import Final

import attrs

from impl.cluster.state_log import StateLog
from impl.errors import BrokerError, ErrorCode
from impl.storage.log import Log

NO_PRODUCER_ID: Final = -1
NO_EPOCH: Final = -1
EPOCH_MAX: Final = 32766  # the last short is kept for fencing (TransactionMetadata.isEpochExhausted)
EMPTY: Final = 0
VERSION: Final = 0
KEY_START = Struct(">hh")  # version, length of the transactional id
VALUE = Struct(">hqhibiqq")  # version, producer id and epoch, timeout, state, no partitions, last update, no start


@attrs.frozen(slots=True)
class TransactionalId:
    """The producer that a transactional id stands for, and the one before it; -1 where there is none."""

    producer_id: int
    epoch: int
    previous_producer_id: int = NO_PRODUCER_ID
    previous_epoch: int = NO_EPOCH


class TransactionalIds:
    """All transactional ids, and the log that they are kept in. `allocate` gives producer ids."""

    def __init__(self, log: Log, allocate: Callable[[], int]) -> None:
        """Replay the log. Raises DataDirectoryError."""
        self._log = StateLog(log, "transactional ids are given new producers")
        self._allocate = allocate
        self._known: dict[str, TransactionalId] = {}
        self._log.replay(self._replay)

    def _replay(self, key: bytes, value: bytes | None) -> None:
        version, producer_id, epoch, *_ = VALUE.unpack(value or b"")
        if version != VERSION:
            raise ValueError(f"unknown value version {version}")
        self._known[key[KEY_START.size :].decode()] = TransactionalId(producer_id, epoch)

    def get(self, name: str) -> TransactionalId | None:
        """What a transactional id stands for."""
        return self._known.get(name)

    def initialize(self, name: str, timeout_ms: int, expected: tuple[int, int] | None, now_ms: int) -> TransactionalId:
        """Give a producer its id and a new epoch, so that all earlier ones with this name are fenced.

        `expected` is the producer id and epoch that the client had before, if it says. Raises PRODUCER_FENCED when
        another has taken its place. Durable as any append is.
        """
        known = self._known.get(name) or TransactionalId(self._allocate(), NO_EPOCH)
        if expected is not None and not _may_be(known, *expected):
            raise BrokerError(ErrorCode.PRODUCER_FENCED)
        following = self._following(known, None if expected is None else expected[1])
        key = KEY_START.pack(VERSION, len(name.encode())) + name.encode()
        value = VALUE.pack(VERSION, following.producer_id, following.epoch, timeout_ms, EMPTY, -1, now_ms, -1)
        self._log.append([(key, value)], now_ms)
        self._known[name] = following
        return following

    def _following(self, known: TransactionalId, expected_epoch: int | None) -> TransactionalId:
        """The next producer of a name (`prepareIncrementProducerEpoch`, `prepareProducerIdRotation`)."""
        if known.epoch >= EPOCH_MAX and expected_epoch in (None, known.epoch):
            previous_epoch = NO_EPOCH if expected_epoch is None else known.epoch
            return TransactionalId(self._allocate(), 0, known.producer_id, previous_epoch)
        if expected_epoch is None:
            return attrs.evolve(known, epoch=known.epoch + 1, previous_epoch=NO_EPOCH)
        if known.epoch in (NO_EPOCH, expected_epoch):
            return attrs.evolve(known, epoch=known.epoch + 1, previous_epoch=known.epoch)
        if expected_epoch == known.previous_epoch:
            return known  # the client repeats a request whose answer was lost
        raise BrokerError(ErrorCode.PRODUCER_FENCED)


def _may_be(known: TransactionalId, producer_id: int, epoch: int) -> bool:
    """Whether a client with this id and epoch may go on (`isValidProducerId`)."""
    if known.epoch == NO_EPOCH or producer_id == known.producer_id:
        return True
    return producer_id == known.previous_producer_id and epoch >= EPOCH_MAX
