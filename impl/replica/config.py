"""The part of a topic's configuration that changes what its partitions do.

Names and units are those of Kafka's topic configs (`org.apache.kafka.common.config.TopicConfig`); the texts that
users write, their defaults and their synonyms are the catalog's business.
"""

import attrs

from impl.storage.cleaner import CompactionConfig
from impl.storage.limits import NO_LAG, SegmentLimits
from impl.storage.retention import RetentionLimits


@attrs.frozen(slots=True)
class PartitionConfig:
    """Values in the units of their names; sizes in bytes, times in milliseconds."""

    max_message_bytes: int
    segment_bytes: int
    segment_ms: int
    segment_jitter_ms: int
    segment_index_bytes: int
    index_interval_bytes: int
    min_insync_replicas: int
    cleanup_compact: bool
    cleanup_delete: bool
    retention: RetentionLimits
    compaction: CompactionConfig
    file_delete_delay_ms: int
    flush_messages: int
    flush_ms: int
    log_append_time: bool  # message.timestamp.type=LogAppendTime
    timestamp_before_max_ms: int
    timestamp_after_max_ms: int
    compression_codec: int | None  # None: as the producer sent it
    compression_level: int | None

    @property
    def segment_limits(self) -> SegmentLimits:
        """When a segment of this topic is full."""
        return SegmentLimits(
            self.segment_bytes,
            self.segment_ms,
            self.segment_index_bytes,
            self.index_interval_bytes,
            self.segment_jitter_ms,
            self.compaction.lag_ms_max if self.cleanup_compact else NO_LAG,
        )
