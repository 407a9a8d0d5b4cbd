"""What a batch must be to be appended: the checks of a leader, in the order in which Kafka makes them.

A check looks at one partition's batches and says how they are refused, or nothing. The first that objects
decides, as in Kafka.

Source: ProduceRequest.validateRecords, UnifiedLog.analyzeAndValidateRecords, LogValidator.
"""

from __future__ import annotations

from model.reference.errors import ErrorCode
from model.reference.operations import Produce, ProducePart
from model.reference.outcomes import Exactly, Expect, Permitted, declare, error
from model.reference.rules import Context
from model.reference.state import Topic

CORRUPT = declare("produce.corrupt", "the batch's checksum is wrong: refused, nothing appended")


def refused(name: str, code: ErrorCode, requirement: str) -> Permitted:
    """A partition's part of a produce that was refused: an error, no offset, and nothing has changed."""
    return Permitted(name, (error(code, requirement), Expect("base_offset", Exactly(-1), requirement)))


def refusal(topic: Topic, part: ProducePart, produce: Produce, context: Context) -> Permitted | None:
    """How this partition's batches are refused, or None if they are appended (or are duplicates)."""
    for batch in part.batches or ():
        if not batch.crc_is_right:
            return refused(CORRUPT, ErrorCode.CORRUPT_MESSAGE, "BAT-01")
    return None
