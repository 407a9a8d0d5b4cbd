"""When a segment is full, as the topic's configuration says. Sizes are in bytes, times in milliseconds."""

from pathlib import Path
from typing import Final

import attrs
from crc32c import crc32c

NO_LAG: Final = (1 << 63) - 1


@attrs.frozen(slots=True)
class SegmentLimits:
    """When a segment is full. Kafka's topic configs are named beside each."""

    bytes_max: int  # segment.bytes
    age_ms_max: int  # segment.ms
    index_bytes_max: int  # segment.index.bytes
    index_interval_bytes: int  # index.interval.bytes
    jitter_ms_max: int = 0  # segment.jitter.ms
    lag_ms_max: int = NO_LAG  # max.compaction.lag.ms, of a compacted topic

    @property
    def life_ms_max(self) -> int:
        """How long a segment is appended to, unless its jitter shortens that (`LogConfig.maxSegmentMs`)."""
        return min(self.age_ms_max, self.lag_ms_max)

    def draw_jitter_ms(self, path: Path) -> int:
        """What the life of the segment at a path is shortened by, so that partitions don't roll together.

        Kafka draws it at random for each segment that it makes or opens (`LogConfig.randomSegmentJitter`). Here it
        follows from the path, so that a history can be repeated; brokers on machines with the same paths draw the same.
        It is less than `segment.ms`, and perhaps not less than the lag.
        """
        bound = min(self.jitter_ms_max, self.age_ms_max)
        return crc32c(str(path).encode()) % bound if bound > 0 else 0
