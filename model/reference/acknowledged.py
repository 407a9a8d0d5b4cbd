"""What acknowledgements promise to readers: a batch that was acknowledged, or needs no acknowledgement, can be read.

With one replica the high watermark covers a batch as soon as it is appended, whatever `acks` asked for.

Source: Partition.maybeIncrementLeaderHW, DelayedProduce.tryComplete.
"""

from __future__ import annotations

from model.reference.outcomes import Between, Expect
from model.reference.state import Partition

_RULES = {0: "ACK-01", 1: "ACK-02", -1: "ACK-03"}


def acknowledged(partition: Partition) -> tuple[Expect, ...]:
    """The high watermark is at least the end of the last batch."""
    if not partition.entries:
        return ()
    last = partition.entries[-1]
    return (Expect("high_watermark", Between(last.next_offset), _RULES.get(last.acks, "ACK-03"), vital=False),)
