"""Produce.

A produce request's partitions are independent: each is appended or refused by itself. With acks=0 nothing is answered,
and an error closes the connection (`KafkaApis.handleProduceRequest`). There are no transactions yet, so a transactional
batch is never part of one; what it is refused with depends on its transactional id (KIP-890).
"""

import logging
from typing import Final

import attrs

from impl.cluster.catalog import INTERNAL_TOPICS
from impl.errors import BrokerError, ErrorCode
from impl.replica.partition import Partition
from impl.replica.validator import RecordsRefusedError
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import CloseConnectionError, Reply
from impl.server.produce_codec import FIRST_FLEXIBLE, ProduceAnswer, ProduceRequest, read_produce, write_produce
from impl.server.wire import Writer
from impl.storage.batch import (
    ATTRIBUTES_POSITION,
    HEADER_SIZE,
    MAGIC,
    MAGIC_POSITION,
    BatchHeader,
    CorruptBatchError,
    OversizedBatchError,
    is_transactional,
    parse_header,
    split_batches,
)
from impl.storage.compression import ZSTD

logger = logging.getLogger(__name__)

VALID_ACKS: Final = frozenset({0, 1, -1})
FIRST_WITH_ZSTD: Final = 7
FIRST_WITH_ABORTABLE: Final = 11
# Refused without a look at the partition's log, and so answered without its log start offset (ReplicaManager).
WITHOUT_LOG_START: Final = frozenset(
    {
        ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ErrorCode.NOT_LEADER_OR_FOLLOWER,
        ErrorCode.MESSAGE_TOO_LARGE,
        ErrorCode.RECORD_LIST_TOO_LARGE,
        ErrorCode.CORRUPT_MESSAGE,
        ErrorCode.KAFKA_STORAGE_ERROR,
    }
)


def produce(broker: Broker, request: Request) -> Reply:
    """Append each partition's batch. Raises CloseConnectionError for an error that acks=0 leaves no answer for."""
    message = read_produce(request.body, request.version)
    refusal = _refusal_of_all(message)
    now_ms = broker.now_ms()
    topics: list[tuple[str, list[ProduceAnswer]]] = []
    failed = []
    for name, partitions in message.topics:
        answers = []
        for index, records in dict(partitions).items():
            if refusal is not None:
                answer = attrs.evolve(refusal, index=index)
            else:
                answer = _append(broker, request.version, message, name, index, records, now_ms)
            answers.append(answer)
            if answer.error != ErrorCode.NONE:
                failed.append(f"{name}-{index}: {answer.error.name}")
        topics.append((name, answers))
    if message.acks == 0:
        if failed:
            raise CloseConnectionError(f"a produce request with acks=0 failed: {', '.join(failed)}")
        return None
    writer = Writer(is_flexible=request.version >= FIRST_FLEXIBLE)
    write_produce(writer, request.version, topics)
    return [writer.data]


def _refusal_of_all(message: ProduceRequest) -> ProduceAnswer | None:
    """What Kafka finds before it looks at partitions one by one, and answers for all of them.

    It looks into each first batch for the transactional bit (`RequestUtils.hasTransactionalRecords`); bytes that
    are no batch, and transactional batches without a transactional id, end the whole request there.
    """
    for _, partitions in message.topics:
        for _, records in partitions:
            if records is None:
                raise CloseConnectionError("a produce request without records")
            try:
                batch = next(split_batches(records), None)
            except OversizedBatchError:
                return ProduceAnswer(-1, ErrorCode.UNKNOWN_SERVER_ERROR)
            except CorruptBatchError as error:
                return ProduceAnswer(-1, ErrorCode.CORRUPT_MESSAGE, message=str(error))
            if batch is not None and is_transactional(batch):
                if message.transactional_id is None:
                    return ProduceAnswer(-1, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
                return None
    return None


def _append(
    broker: Broker,
    version: int,
    message: ProduceRequest,
    topic: str,
    index: int,
    records: memoryview | None,
    now_ms: int,
) -> ProduceAnswer:
    """Append one partition's records; every refusal becomes an answer."""
    if topic in INTERNAL_TOPICS:
        return ProduceAnswer(index, ErrorCode.INVALID_TOPIC_EXCEPTION)
    partition = broker.partitions.get((topic, index))
    if partition is None:
        return ProduceAnswer(index, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    try:
        batch = _only_batch(records, version)
    except CorruptBatchError:
        return ProduceAnswer(index, ErrorCode.CORRUPT_MESSAGE)
    except BrokerError as error:
        return ProduceAnswer(index, error.code)
    if message.transactional_id is not None and len(batch) >= HEADER_SIZE and is_transactional(batch):
        refusal = _transactional_refusal(broker, version, message.transactional_id, index, parse_header(batch))
        if refusal is not None:
            return refusal
    if message.acks not in VALID_ACKS:
        return ProduceAnswer(index, ErrorCode.INVALID_REQUIRED_ACKS)
    try:
        appended = partition.append(batch, now_ms)
    except BrokerError as error:
        logger.info("refusing a batch for %s-%d: %s", topic, index, error)
        return _refusal(partition, error)
    except OSError:
        logger.exception("appending to %s-%d failed", topic, index)
        return ProduceAnswer(index, ErrorCode.KAFKA_STORAGE_ERROR)
    return ProduceAnswer(
        index, ErrorCode.NONE, appended.base_offset, appended.log_append_time, appended.log_start_offset
    )


def _transactional_refusal(
    broker: Broker, version: int, transactional_id: str, index: int, header: BatchHeader
) -> ProduceAnswer | None:
    """What the coordinator says of a partition that no transaction has (`handleVerifyPartitionsInTransaction`).

    A batch without a producer id is not asked about, whatever its transactional bit says.
    """
    if not header.has_producer_id:
        return None
    known = broker.transactional_ids.get(transactional_id)
    if known is None or known.producer_id != header.producer_id:
        return ProduceAnswer(index, ErrorCode.INVALID_PRODUCER_ID_MAPPING)
    if known.epoch != header.producer_epoch:
        return ProduceAnswer(index, ErrorCode.INVALID_PRODUCER_EPOCH)
    if version >= FIRST_WITH_ABORTABLE:
        return ProduceAnswer(index, ErrorCode.TRANSACTION_ABORTABLE)
    return ProduceAnswer(index, ErrorCode.INVALID_TXN_STATE, message="Partition was not added to the transaction")


def _only_batch(records: memoryview | None, version: int) -> memoryview:
    """The one batch that a request may have for a partition (`ProduceRequest.validateRecords`)."""
    batches = split_batches(records if records is not None else memoryview(b""))
    batch = next(batches, None)
    if batch is None or batch[MAGIC_POSITION] != MAGIC:
        raise BrokerError(ErrorCode.INVALID_RECORD, "not a record batch of format v2")
    if version < FIRST_WITH_ZSTD and batch[ATTRIBUTES_POSITION + 1] & 7 == ZSTD:
        raise BrokerError(ErrorCode.UNSUPPORTED_COMPRESSION_TYPE, "zstd needs version 7 of Produce")
    if next(batches, None) is not None:
        raise BrokerError(ErrorCode.INVALID_RECORD, "more than one record batch")
    return batch


def _refusal(partition: Partition, error: BrokerError) -> ProduceAnswer:
    log_start = -1 if error.code in WITHOUT_LOG_START else partition.log.log_start_offset
    if isinstance(error, RecordsRefusedError):
        return ProduceAnswer(partition.index, error.code, -1, -1, log_start, error.errors, error.message)
    return ProduceAnswer(partition.index, error.code, log_start_offset=log_start)
