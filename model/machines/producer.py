"""The idempotent producer: what a partition's leader remembers of one producer, and what it does with a batch.

The state is the leader's entry for one producer id on one partition (ProducerStateEntry.java): the producer's
epoch and the last five batches of that epoch. A batch claims an epoch and a range of sequence numbers, `first` to
`last`, which count modulo 2^31. For every claim exactly one action is enabled: the batch is appended, or answered
from memory, or refused. A restart of the leader may make it forget batches, but never the newest.

Modelled: appends by clients (KIP-98, KIP-360), restarts, the expiry of entries (`producer.id.expiration.ms`).
Not modelled: transactions, appends by replicas (they skip these checks) and by coordinators (epoch only).

Source: ProducerAppendInfo.java, ProducerStateEntry.java, UnifiedLog.analyzeAndValidateProducerState,
ProducerStateManager (snapshots).
"""

from __future__ import annotations

from typing import Any

from model.language import BOOLEAN, Field, Guard, Machine, Sort, State, Step, allof, anyof, ite, least, no

WINDOW = 5
"""How many batches the leader remembers of a producer (ProducerStateEntry.NUM_BATCHES_TO_RETAIN)."""

SLOT = Sort("Slot", WINDOW, unit="batches")
COUNT = Sort("Count", WINDOW + 1, unit="batches")
SEQUENCE = Sort("Sequence", unit="records")
EPOCH = Sort("ProducerEpoch")
OFFSET = Sort("Offset", unit="records")

MODULUS = 2**31

producer = Machine(
    "producer",
    fields={
        "known": Field(BOOLEAN, "whether the leader remembers this producer"),
        "epoch": Field(EPOCH, "the newest producer epoch seen"),
        "remembered": Field(COUNT, "how many batches of that epoch are remembered, 0 to 5"),
        "first": Field(SEQUENCE, "first sequence number of a remembered batch; slot 0 is the newest", (SLOT,)),
        "last": Field(SEQUENCE, "its last sequence number", (SLOT,)),
        "offset": Field(OFFSET, "the offset that its first record was given", (SLOT,)),
        "log_end_offset": Field(OFFSET, "where the next record goes"),
    },
    about="What a partition's leader remembers of an idempotent producer, and what it does with a batch.",
)


def follows(first: Any, last: Any) -> Any:
    """Whether `first` is the sequence number after `last`; 0 comes after 2^31 - 1."""
    return first == ite(last == MODULUS - 1, 0, last + 1)


def records_in(first: Any, last: Any) -> Any:
    """How many records a range of sequence numbers has, the wrap included."""
    return ite(first <= last, last - first + 1, last - first + 1 + MODULUS)


def is_new(s: State) -> Any:
    """Whether nothing binds the producer: it is not remembered, or by a batch that claimed no epoch (-1)."""
    return anyof(no(s.known), s.epoch < 0)


def begins_epoch(s: State, epoch: Any) -> Any:
    """Whether a batch of this epoch would be the first that is remembered of it, or of any newer one."""
    return allof(no(is_new(s)), anyof(epoch > s.epoch, allof(epoch == s.epoch, s.remembered == 0)))


def continues_epoch(s: State, epoch: Any) -> Any:
    """Whether a batch of this epoch comes after others of it."""
    return allof(no(is_new(s)), epoch == s.epoch, s.remembered > 0)


def is_remembered_at(s: State, slot: Any, epoch: Any, first: Any, last: Any) -> Any:
    """Whether the batch is the one remembered at `slot`: same epoch, exactly the same range."""
    return allof(s.known, epoch == s.epoch, slot < s.remembered, s.first[slot] == first, s.last[slot] == last)


def is_duplicate(s: State, epoch: Any, first: Any, last: Any) -> Any:
    """Whether the batch is one of those remembered."""
    return s.some(SLOT, lambda slot: is_remembered_at(s, slot, epoch, first, last))


def _append(s: State, epoch: Any, first: Any, last: Any, kept: Any) -> State:
    """The batch goes to the log's end and becomes the newest of those remembered; `kept` older ones stay."""

    def pushed(values: Any, value: Any) -> Any:
        older = values.where(lambda slot: slot > 0, lambda slot: ite(slot <= kept, values[slot - 1], 0))
        return older.set(0, value)

    return s.but(
        known=True,
        epoch=epoch,
        remembered=least(kept + 1, WINDOW),
        first=pushed(s.first, first),
        last=pushed(s.last, last),
        offset=pushed(s.offset, s.log_end_offset),
        log_end_offset=s.log_end_offset + records_in(first, last),
    )


@producer.action(epoch=EPOCH, first=SEQUENCE, last=SEQUENCE)
def append_of_unknown_producer(s: State, epoch: Any, first: Any, last: Any) -> Step:
    """A batch of a producer that the leader does not remember is appended, whatever its sequence number.

    Who: the leader of the partition.
    When: a batch comes of a producer that it has no entry for, or one of a batch that claimed no epoch.
    Changes: the batch goes to the log's end and becomes the newest that is remembered.
    Source: KIP-360, ProducerAppendInfo.checkSequence. Before 2.5 a first sequence number other than 0 was refused with
        UNKNOWN_PRODUCER_ID (KAFKA-8710).
    """
    return Step(
        (
            Guard("nothing_binds_the_producer", is_new(s)),
            Guard("it_is_not_a_duplicate", no(is_duplicate(s, epoch, first, last)), safety_critical=True),
        ),
        lambda: _append(s, epoch, first, last, kept=ite(epoch == s.epoch, s.remembered, 0)),
    )


@producer.action(epoch=EPOCH, first=SEQUENCE, last=SEQUENCE)
def append_next(s: State, epoch: Any, first: Any, last: Any) -> Step:
    """The batch that follows the newest one of the same epoch is appended.

    Who: the leader of the partition.
    When: a batch comes whose first sequence number is the one after the newest batch's last.
    Changes: the batch goes to the log's end and becomes the newest that is remembered; of six the oldest is forgotten.
    Source: KIP-98, ProducerAppendInfo.inSequence, ProducerStateEntry.addBatch.
    """
    return Step(
        (
            Guard("others_of_this_epoch_came_before", continues_epoch(s, epoch)),
            Guard("it_is_not_a_duplicate", no(is_duplicate(s, epoch, first, last)), safety_critical=True),
            Guard("its_sequence_follows", follows(first, s.last[0]), safety_critical=True),
        ),
        lambda: _append(s, epoch, first, last, kept=s.remembered),
    )


@producer.action(epoch=EPOCH, first=SEQUENCE, last=SEQUENCE)
def append_in_new_epoch(s: State, epoch: Any, first: Any, last: Any) -> Step:
    """The first batch of a newer epoch is appended if it starts at 0.

    Who: the leader of the partition.
    When: a batch comes of an epoch that no batch had before it.
    Changes: the batch goes to the log's end; what was remembered of the older epoch is forgotten.
    Source: KIP-360, ProducerAppendInfo.checkSequence, ProducerStateEntry.maybeUpdateProducerEpoch.
    """
    return Step(
        (
            Guard("it_begins_an_epoch", begins_epoch(s, epoch)),
            Guard("it_starts_at_zero", first == 0, safety_critical=True),
        ),
        lambda: _append(s, epoch, first, last, kept=0),
    )


@producer.action(epoch=EPOCH, first=SEQUENCE, last=SEQUENCE, slot=SLOT)
def answer_duplicate(s: State, epoch: Any, first: Any, last: Any, slot: Any) -> Step:
    """A batch that is remembered is answered with the offset it was given then.

    Who: the leader of the partition.
    When: a batch comes that has the epoch and exactly the sequence numbers of one of the five remembered.
    Changes: nothing; it is not appended again.
    Source: KIP-98, UnifiedLog.analyzeAndValidateProducerState, ProducerStateEntry.findDuplicateBatch.
    """
    return Step(
        (Guard("it_is_remembered", is_remembered_at(s, slot, epoch, first, last), safety_critical=True),),
        lambda: s,
    )


@producer.action(epoch=EPOCH, first=SEQUENCE, last=SEQUENCE)
def refuse_gap(s: State, epoch: Any, first: Any, last: Any) -> Step:
    """A batch of the newest epoch that neither follows nor is remembered is refused: OUT_OF_ORDER_SEQUENCE_NUMBER.

    Who: the leader of the partition.
    When: a batch comes that skips sequence numbers, overlaps a remembered one in part, or repeats one that is older
        than the five remembered.
    Changes: nothing.
    Source: ProducerAppendInfo.checkSequence.
    """
    return Step(
        (
            Guard("others_of_this_epoch_came_before", continues_epoch(s, epoch)),
            Guard("it_is_not_a_duplicate", no(is_duplicate(s, epoch, first, last))),
            Guard("its_sequence_does_not_follow", no(follows(first, s.last[0]))),
        ),
        lambda: s,
    )


@producer.action(epoch=EPOCH, first=SEQUENCE, last=SEQUENCE)
def refuse_late_start(s: State, epoch: Any, first: Any, last: Any) -> Step:  # noqa: ARG001  a batch has a last sequence
    """The first batch of a newer epoch is refused if it does not start at 0: OUT_OF_ORDER_SEQUENCE_NUMBER.

    Who: the leader of the partition.
    When: a batch comes of an epoch that no batch had before it, with another first sequence number than 0.
    Changes: nothing.
    Source: ProducerAppendInfo.checkSequence.
    """
    return Step(
        (
            Guard("it_begins_an_epoch", begins_epoch(s, epoch)),
            Guard("it_does_not_start_at_zero", first != 0),
        ),
        lambda: s,
    )


@producer.action(epoch=EPOCH, first=SEQUENCE, last=SEQUENCE)
def refuse_old_epoch(s: State, epoch: Any, first: Any, last: Any) -> Step:  # noqa: ARG001
    """A batch of an older epoch is refused: INVALID_PRODUCER_EPOCH.

    Who: the leader of the partition.
    When: a batch comes whose epoch is less than that of the newest batch remembered.
    Changes: nothing.
    Source: ProducerAppendInfo.checkProducerEpoch; KAFKA-10687 for why it is not PRODUCER_FENCED.
    """
    return Step(
        (
            Guard("something_binds_the_producer", no(is_new(s))),
            Guard("the_epoch_is_older", epoch < s.epoch, safety_critical=True),
        ),
        lambda: s,
    )


# -- what befalls the leader -----------------------------------------------------------------------------------------


@producer.action(kept=COUNT)
def recall(s: State, kept: Any) -> Step:
    """A leader that was restarted reads its memory back: `kept` of the batches, the newest ones, and at least one.

    Who: a broker that was restarted.
    When: it opens the log. A snapshot holds the newest batch of each producer; those after it are read from the log.
    Changes: batches older than those are forgotten.
    Source: ProducerStateManager.takeSnapshot and loadFromSnapshot, UnifiedLog.rebuildProducerState.
    """

    def newest(values: Any) -> Any:
        return values.where(lambda slot: slot >= kept, lambda _slot: 0)

    return Step(
        (
            Guard("no_more_than_were_remembered", kept <= s.remembered),
            Guard("the_newest_is_kept", anyof(kept > 0, s.remembered == 0), safety_critical=True),
        ),
        lambda: s.but(remembered=kept, first=newest(s.first), last=newest(s.last), offset=newest(s.offset)),
    )


@producer.action()
def expire(s: State) -> Step:
    """A leader forgets a producer that has not appended for a long time.

    Who: the leader of the partition.
    When: the newest batch's timestamp is `producer.id.expiration.ms` old (a day unless set).
    Changes: the producer's entry is gone.
    Source: ProducerStateManager.removeExpiredProducers; producer.id.expiration.ms.
    """

    def nothing(values: Any) -> Any:
        return values.where(lambda _slot: True, lambda _slot: 0)

    return Step(
        (Guard("the_producer_is_known", s.known),),
        lambda: s.but(
            known=False, epoch=0, remembered=0, first=nothing(s.first), last=nothing(s.last), offset=nothing(s.offset)
        ),
    )
