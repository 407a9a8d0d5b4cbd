"""Parts of an answer that were refused: what they hold beside the error code.

A leaf module, so that the families that refuse a fetch (unknown partitions, offsets, epochs) say it in one way.

Source: FetchResponse.partitionResponse, ReplicaManager.createLogReadResult.
"""

from __future__ import annotations

from model.reference.errors import ErrorCode
from model.reference.outcomes import Exactly, Expect, Permitted, error

UNKNOWN_OFFSET = -1


def refused_fetch(name: str, code: ErrorCode, requirement: str) -> Permitted:
    """A partition's part of a fetch that was refused: an error and no records; offsets say "unknown"."""
    return Permitted(
        name,
        (
            error(code, requirement),
            Expect("records", Exactly(()), requirement),
            Expect("high_watermark", Exactly(UNKNOWN_OFFSET), "LOG-06", vital=False),
            Expect("last_stable_offset", Exactly(UNKNOWN_OFFSET), "LOG-06", vital=False),
            Expect("log_start_offset", Exactly(UNKNOWN_OFFSET), "LOG-06", vital=False),
        ),
    )
