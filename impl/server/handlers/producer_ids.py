"""InitProducerId (KIP-98, KIP-360): producer ids for idempotent producers, and for transactional ids."""

from struct import Struct
from typing import Final

from impl.errors import BrokerError, ErrorCode
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.wire import INT16, INT32, Reader, Writer

PRODUCER = Struct(">qh")
NOT_GIVEN: Final = (-1, -1)
FIRST_FLEXIBLE: Final = 2
FIRST_WITH_EXPECTED: Final = 3
FIRST_WITH_FENCED: Final = 4  # before it clients did not know PRODUCER_FENCED


def init_producer_id(broker: Broker, request: Request) -> Reply:
    """A new producer id, or a transactional id's with a new epoch."""
    reader = Reader(request.body, is_flexible=request.version >= FIRST_FLEXIBLE)
    transactional_id = reader.nullable_string()
    timeout_ms = reader.int32()
    expected = reader.struct(PRODUCER) if request.version >= FIRST_WITH_EXPECTED else NOT_GIVEN
    code, given = ErrorCode.NONE, NOT_GIVEN
    try:
        given = _initialized(broker, transactional_id, timeout_ms, (expected[0], expected[1]))
    except BrokerError as error:
        code = error.code
        if code == ErrorCode.PRODUCER_FENCED and request.version < FIRST_WITH_FENCED:
            code = ErrorCode.INVALID_PRODUCER_EPOCH
    writer = Writer(is_flexible=request.version >= FIRST_FLEXIBLE)
    writer.data += INT32.pack(0) + INT16.pack(code) + PRODUCER.pack(*given)
    writer.tagged_fields()
    return [writer.data]


def _initialized(
    broker: Broker, transactional_id: str | None, timeout_ms: int, expected: tuple[int, int]
) -> tuple[int, int]:
    """Producer id and epoch. Raises BrokerError (`TransactionCoordinator.handleInitProducerId`)."""
    if (expected[0] == -1) != (expected[1] == -1):
        raise BrokerError(ErrorCode.INVALID_REQUEST)
    if transactional_id is None:
        return broker.producer_ids.allocate(), 0
    if not transactional_id:
        raise BrokerError(ErrorCode.INVALID_REQUEST)
    if not 0 < timeout_ms <= broker.config.number("transaction.max.timeout.ms"):
        raise BrokerError(ErrorCode.INVALID_TRANSACTION_TIMEOUT)
    before = None if expected == NOT_GIVEN else expected
    given = broker.transactional_ids.initialize(transactional_id, timeout_ms, before, broker.now_ms())
    return given.producer_id, given.epoch
