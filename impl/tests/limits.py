"""Limits by which segments become full in tests, each for a reason of its own, and whether a log is as it should be."""

from typing import Final

import attrs

from impl.storage.batch import DamagedBatchError
from impl.storage.limits import SegmentLimits
from impl.storage.log import Log

LIMITS: Final = SegmentLimits(bytes_max=400, age_ms_max=1 << 60, index_bytes_max=10 << 20, index_interval_bytes=100)
LARGE: Final = attrs.evolve(LIMITS, bytes_max=1 << 20)
BY_INDEX: Final = attrs.evolve(LARGE, index_bytes_max=36)  # four entries of offsets, three of times
BY_AGE: Final = attrs.evolve(LARGE, age_ms_max=4)  # each batch is a millisecond later than the one before
ALL_LIMITS: Final = (LIMITS, BY_INDEX, BY_AGE)


def overfull(log: Log) -> str | None:
    """Which segment has more in it than the log's limits allow, what is no batch, or which index misleads."""
    limits = log.limits
    for segment in log.segments:
        try:
            times = [batch.header.max_timestamp for batch in segment.batches_from(0)]
        except DamagedBatchError as error:
            return f"{error}"
        if len(times) > 1 and segment.size > limits.bytes_max:
            return f"the segment at {segment.base_offset} has {segment.size} bytes"
        if max(segment.index_bytes) > limits.index_bytes_max:
            return f"an index of the segment at {segment.base_offset} has {segment.index_bytes} bytes"
        if times and times[-1] - times[0] > limits.age_ms_max:
            return f"the segment at {segment.base_offset} is {times[-1] - times[0]} ms old"
        if segment._offsets.was_doubted or segment._times.was_doubted:
            return f"an index of the segment at {segment.base_offset} was found not to lead to its batches"
    return None
