"""MET: versions, frames and pipelines."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from conformance.client import Unsupported
from model.reference.operations import ApiVersions, Flaw, Pipeline, Question, SendFrame

ASKED = 12
"""Versions up to this one are asked for; no release knows as many."""
NAMED_FROM = 3
"""The first version of ApiVersions that names the client's software."""
NEWEST_FORM = 5
"""The newest version of ApiVersions that the suite can write (Kafka 4.4, KIP-1242)."""


def send(run: Run, *flaws: Flaw) -> None:
    """Send frames with flaws, each on a connection of its own, between requests on the suite's connection."""
    topic = run.topic()
    for flaw in flaws:
        run.perform(SendFrame(flaw=flaw))
        run.produce(topic, batch_of(b"undisturbed"))
    run.fetch(topic)


@case("MET-51")
def list_of_versions(run: Run) -> None:
    """Ask for the list in the oldest form."""
    run.perform(ApiVersions())


@case("MET-52")
def every_version_of_the_list(run: Run) -> None:
    """Ask in the oldest form, then in every other that is listed, up to the newest whose form is known here."""
    run.perform(ApiVersions())
    _, most = (run.cluster.api_ranges or {}).get(18, (0, 0))
    for version in range(min(most, NEWEST_FORM) + 1):
        run.perform(ApiVersions(version=version))


@case("MET-53")
def unknown_versions_of_the_list(run: Run) -> None:
    """Ask in the oldest form, then in versions that no release knows."""
    run.perform(ApiVersions())
    for version in (ASKED, 99, 32767):
        run.perform(ApiVersions(version=version))


@case("MET-54")
def names_of_client_software(run: Run) -> None:
    """Give malformed names and versions of software, and unusual ones that are right."""
    run.perform(ApiVersions())
    if (run.cluster.api_ranges or {}).get(18, (0, 0))[1] < NAMED_FROM:
        raise Unsupported(f"the target offers no ApiVersions v{NAMED_FROM}, which carries the client's software")
    for name, version in (("", "1"), ("a", ""), ("-a", "1"), ("a", "1."), ("a b", "1"), ("ä", "1")):
        run.perform(ApiVersions(version=3, software_name=name, software_version=version))
    for name, version in (("a", "1"), ("apache-kafka-java", "3.9.1-SNAPSHOT"), ("0-.9", "x")):
        run.perform(ApiVersions(version=3, software_name=name, software_version=version))


@case("MET-55")
def no_greeting(run: Run) -> None:
    """Ask for Metadata first thing on a connection."""
    send(run, Flaw.NO_GREETING)


@case("MET-65")
def impossible_lengths(run: Run) -> None:
    """Send a negative length, one far above the limit, and what another protocol would send."""
    send(run, Flaw.NEGATIVE_LENGTH, Flaw.OVERSIZED_LENGTH, Flaw.GARBAGE)


@case("MET-66")
def unreadable_requests(run: Run) -> None:
    """Send frames that are empty, end in the header or the body, or claim more than they hold."""
    send(run, Flaw.EMPTY_FRAME, Flaw.SHORT_HEADER, Flaw.CUT_BODY, Flaw.OVERRUNNING_COUNT)


@case("MET-67")
def unknown_requests(run: Run) -> None:
    """Send a request of an API that does not exist, and one of a version that does not."""
    send(run, Flaw.UNKNOWN_API, Flaw.UNKNOWN_VERSION)


@case("MET-68")
def others_are_not_disturbed(run: Run) -> None:
    """Leave in the middle of a request, and send all kinds of hostile bytes, with another connection beside."""
    send(run, Flaw.GONE_CLIENT, Flaw.CUT_BODY, Flaw.OVERSIZED_LENGTH, Flaw.GONE_CLIENT)


@case("MET-69")
def correlation_ids(run: Run) -> None:
    """Send requests with small, great, negative and unordered correlation ids."""
    topic = run.topic()
    ids = (5, 2**31 - 1, -(2**31), -1, 0, 4)
    kinds = (Question.METADATA, Question.API_VERSIONS)
    run.perform(Pipeline(questions=tuple((kinds[place % 2], each) for place, each in enumerate(ids)), topic=topic))


@case("MET-70")
def answers_in_order(run: Run) -> None:
    """Send a fetch that has to wait, and quick requests after it, all at once."""
    topic = run.topic()
    run.perform(
        Pipeline(
            questions=(
                (Question.METADATA, 1),
                (Question.SLOW_FETCH, 2),
                (Question.API_VERSIONS, 3),
                (Question.METADATA, 4),
                (Question.SLOW_FETCH, 5),
                (Question.METADATA, 6),
            ),
            topic=topic,
        )
    )


@case("MET-71")
def unknown_tagged_fields(run: Run) -> None:
    """Ask for Metadata with tagged fields of a later release, in header, body and a topic."""
    send(run, Flaw.UNKNOWN_TAGS)


@case("MET-72")
def unusual_requests(run: Run) -> None:
    """Send a request byte by byte, and one without the client's name."""
    send(run, Flaw.IN_PIECES, Flaw.NO_CLIENT_ID)
