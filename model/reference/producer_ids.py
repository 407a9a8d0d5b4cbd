"""Handing out producer ids (InitProducerId).

Modelled: ids for idempotence only, and the requests that are refused before a transaction coordinator is asked.
Not modelled: transactional ids, whose epochs and fencing come with the transaction machine.

Source: KafkaApis.handleInitProducerIdRequest, TransactionCoordinator.handleInitProducerId; KIP-98, KIP-360, KIP-730.
"""

from __future__ import annotations

from attrs import evolve

from model.reference.batch import NO_PRODUCER_EPOCH, NO_PRODUCER_ID
from model.reference.errors import ErrorCode
from model.reference.operations import InitProducerId
from model.reference.outcomes import (
    Exactly,
    Expect,
    Meets,
    Permitted,
    Section,
    Values,
    declare,
    error,
    success,
)
from model.reference.rules import Context, rule
from model.reference.state import Cluster

HANDED_OUT = declare("init_producer_id.handed_out", "a producer id that nobody had before")
NOT_YET = declare("init_producer_id.not_yet", "the broker has no ids to hand out yet: the client tries again")
HALF_NAMED = declare("init_producer_id.half_named", "a producer id without an epoch, or the other way round: refused")
EMPTY_ID = declare("init_producer_id.empty_transactional_id", "the transactional id is empty: refused")
BAD_TIMEOUT = declare("init_producer_id.bad_timeout", "the transaction timeout is 0, negative or too long: refused")
TRANSACTIONAL = declare("init_producer_id.transactional", "a transactional id: not judged here")

PRODUCER_NAMED_FROM = 3


@rule(InitProducerId)
def init_producer_id(cluster: Cluster, operation: InitProducerId, context: Context) -> tuple[Section, ...]:
    """What a request for a producer id may answer. Kafka checks in this order."""
    if context.version >= PRODUCER_NAMED_FROM and (
        (operation.producer_id == NO_PRODUCER_ID) != (operation.producer_epoch == NO_PRODUCER_EPOCH)
    ):
        outcome = _refused(HALF_NAMED, ErrorCode.INVALID_REQUEST, "IDM-22")
    elif operation.transactional_id is None:
        # A broker that has just started waits for a block of ids from its controller (KIP-730).
        not_yet = _refused(NOT_YET, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, "IDM-01")
        # Said twice, so that an answer with any other error is held to "handed out", and not to "not yet".
        not_yet = evolve(not_yet, expects=(not_yet.expects[0], *not_yet.expects))
        return (Section("request", (_handed_out(cluster), not_yet)),)
    elif not operation.transactional_id:
        outcome = _refused(EMPTY_ID, ErrorCode.INVALID_REQUEST, "IDM-20")
    elif not 0 < operation.transaction_timeout_ms <= int(context.profile.value("transaction.max.timeout.ms")):
        outcome = _refused(BAD_TIMEOUT, ErrorCode.INVALID_TRANSACTION_TIMEOUT, "IDM-21")
    else:
        outcome = Permitted(TRANSACTIONAL, (), _learn)
    return (Section("request", (outcome,)),)


def _refused(name: str, code: ErrorCode, requirement: str) -> Permitted:
    return Permitted(
        name, (error(code, requirement), Expect("producer_id", Exactly(NO_PRODUCER_ID), requirement, vital=False))
    )


def _handed_out(cluster: Cluster) -> Permitted:
    def is_id(seen: object) -> bool:
        return isinstance(seen, int) and seen >= 0

    def is_unused(seen: object) -> bool:
        return seen not in cluster.producer_ids - cluster.former_producer_ids

    def was_not_used_before_restart(seen: object) -> bool:
        return seen not in cluster.former_producer_ids

    fresh = [
        Expect("producer_id", Meets("an id, 0 or greater", is_id), "IDM-01"),
        Expect("producer_id", Meets("an id not handed out before", is_unused), "IDM-01"),
    ]
    if cluster.former_producer_ids:
        words = "an id not handed out before the restart either"
        fresh.append(Expect("producer_id", Meets(words, was_not_used_before_restart), "IDM-18"))
    return Permitted(HANDED_OUT, (success("IDM-01"), *fresh, Expect("producer_epoch", Exactly(0), "IDM-06")), _learn)


def _learn(cluster: Cluster, answer: Values) -> Cluster:
    """The cluster after an id was handed out."""
    producer_id = answer.get("producer_id")
    if not isinstance(producer_id, int) or producer_id == NO_PRODUCER_ID:
        return cluster
    return evolve(cluster, producer_ids=cluster.producer_ids | {producer_id})
