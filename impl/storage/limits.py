"""When a segment is full, as the topic's configuration says. Sizes are in bytes, times in milliseconds."""

from pathlib import Path

import attrs
from crc32c import crc32c


@attrs.frozen(slots=True)
class SegmentLimits:
    """When a segment is full. Kafka's topic configs are named beside each."""

    bytes_max: int  # segment.bytes
    age_ms_max: int  # segment.ms, of a compacted topic at most max.compaction.lag.ms (LogConfig.maxSegmentMs)
    index_bytes_max: int  # segment.index.bytes
    index_interval_bytes: int  # index.interval.bytes
    jitter_ms_max: int = 0  # segment.jitter.ms, at most segment.ms

    def draw_jitter_ms(self, path: Path) -> int:
        """What the life of the segment at a path is shortened by, so that partitions don't roll together.

        Kafka draws it at random for each segment that it makes or opens (`LogConfig.randomSegmentJitter`). Here it
        follows from the path, so that a history can be repeated; brokers on machines with the same paths draw the same.
        """
        bound = self.jitter_ms_max
        return crc32c(str(path).encode()) % bound if bound > 0 else 0
