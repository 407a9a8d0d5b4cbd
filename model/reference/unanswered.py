"""A produce with acks=0 on a connection of its own, and whether the broker closes that connection.

No answer is due, so that closing the connection is the only way to tell the client that something was refused.

Source: KafkaApis.handleProduceRequest (acks == 0).
"""

from __future__ import annotations

from model.reference import log
from model.reference.operations import ProduceUnanswered
from model.reference.outcomes import Exactly, Expect, Permitted, Section, Values, declare
from model.reference.rules import Context, rule
from model.reference.state import Cluster

KEPT = declare("produce_unanswered.kept", "all was appended, no answer came, and the connection stayed open")
CLOSED = declare("produce_unanswered.closed", "something was refused, and the connection was closed")

_TAKEN = (log.APPENDED, log.DUPLICATE)


@rule(ProduceUnanswered)
def produce_unanswered(cluster: Cluster, operation: ProduceUnanswered, context: Context) -> tuple[Section, ...]:
    """What becomes of the connection, and of the partitions."""
    _, *parts = log.produce(cluster, operation.produce, context)
    chosen = [part.choices[0] for part in parts]
    is_refused = any(choice.name not in _TAKEN for choice in chosen)

    def then(after: Cluster, _answer: Values) -> Cluster:
        for choice in chosen:
            after = choice.then(after, {})
        return after

    closed = Expect("is_closed", Exactly(is_refused), "ACK-09" if is_refused else "ACK-01", vital=False)
    answered = Expect("bytes_received", Exactly(0), "ACK-01", vital=False)
    return (Section("request", (Permitted(CLOSED if is_refused else KEPT, (closed, answered), then),)),)
