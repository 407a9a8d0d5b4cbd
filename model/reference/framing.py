"""Frames on a connection: what a broker does with those that are no requests, and in which order it answers.

Kafka's protocol has no way to complain about a request that can't be read, so the broker closes the connection.

Not modelled: TLS, SASL, limits on connections and rates.

Source: NetworkReceive, SocketServer.Processor, RequestContext.parseRequest, RequestHeader.
"""

from __future__ import annotations

from model.reference.operations import Flaw, Pipeline, SendFrame
from model.reference.outcomes import Exactly, Expect, Permitted, Section, declare
from model.reference.rules import Context, rule
from model.reference.state import Cluster

CLOSED = declare("connection.closed", "the broker closed the connection without an answer")
ANSWERED = declare("connection.answered", "the request was answered")
LEFT = declare("connection.left", "the client went away in the middle of a request")
AWAITED = declare("connection.awaited", "the broker is set to take frames of the claimed length; not judged")
IN_ORDER = declare("connection.in_order", "all requests were answered, in their order")

CLOSING = {
    Flaw.NEGATIVE_LENGTH: "MET-65",
    Flaw.OVERSIZED_LENGTH: "MET-65",
    Flaw.GARBAGE: "MET-65",
    Flaw.EMPTY_FRAME: "MET-66",
    Flaw.SHORT_HEADER: "MET-66",
    Flaw.OVERRUNNING_COUNT: "MET-66",
    Flaw.CUT_BODY: "MET-66",
    Flaw.UNKNOWN_API: "MET-67",
    Flaw.UNKNOWN_VERSION: "MET-67",
}
"""What makes a broker close the connection, and which requirement says so."""

CLAIMED = {Flaw.OVERSIZED_LENGTH: 2**31 - 1, Flaw.GARBAGE: int.from_bytes(b"GET ", "big")}
"""The length that a frame claims to have, where it is only a matter of the broker's settings what becomes of it."""

HARMLESS = {
    Flaw.IN_PIECES: "MET-72",
    Flaw.NO_CLIENT_ID: "MET-72",
    Flaw.UNKNOWN_TAGS: "MET-71",
    Flaw.NO_GREETING: "MET-55",
}
"""What is only unusual and must be answered, and which requirement says so."""


@rule(SendFrame)
def send_frame(cluster: Cluster, operation: SendFrame, context: Context) -> tuple[Section, ...]:
    """What may become of a connection on which such a frame came, and of another one at the same time."""
    undisturbed = Expect("other_connection", Exactly("answered"), "MET-68", vital=False)
    if operation.flaw is Flaw.GONE_CLIENT:
        return (Section("request", (Permitted(LEFT, (undisturbed,)),)),)
    if CLAIMED.get(operation.flaw, 2**31) <= int(context.profile.value("socket.request.max.bytes")):
        return (Section("request", (Permitted(AWAITED, (undisturbed,)),)),)
    if operation.flaw in CLOSING:
        closed = Expect("outcome", Exactly("closed"), CLOSING[operation.flaw], vital=False)
        return (Section("request", (Permitted(CLOSED, (closed, undisturbed)),)),)
    answered = Expect("outcome", Exactly("answered"), HARMLESS[operation.flaw], vital=False)
    return (Section("request", (Permitted(ANSWERED, (answered, undisturbed)),)),)


@rule(Pipeline)
def pipeline(cluster: Cluster, operation: Pipeline, context: Context) -> tuple[Section, ...]:
    """What may be answered to several requests that were sent at once."""
    ids = tuple(correlation_id for _, correlation_id in operation.questions)
    expects = (
        Expect("sorted_ids", Exactly(tuple(sorted(ids))), "MET-69"),
        Expect("ids", Exactly(ids), "MET-70"),
    )
    return (Section("request", (Permitted(IN_ORDER, expects),)),)
