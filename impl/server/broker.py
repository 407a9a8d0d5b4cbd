"""The broker behind the wire: opens what the data directory holds, and keeps partitions, topics and offsets together.

It performs what the handlers ask for; it knows no message of the protocol and no socket. The clock is passed in, so
that the parts below need none. One process may use a data directory at a time.
"""

import logging
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from impl.cluster.catalog import Catalog, Topic
from impl.cluster.configs import BrokerConfig
from impl.cluster.offsets import CommittedOffsets
from impl.cluster.producer_ids import ProducerIds
from impl.cluster.transactional_ids import TransactionalIds
from impl.errors import BrokerError, ErrorCode
from impl.replica.fetch_session import FetchSessions
from impl.replica.partition import Partition
from impl.storage.checkpoints import (
    CLEAN_SHUTDOWN,
    CLEANER_OFFSETS,
    LOG_START_OFFSETS,
    META_PROPERTIES,
    PARTITION_METADATA,
    read_checkpoint,
    read_properties,
    uuid_text,
    write_checkpoint,
    write_properties,
)
from impl.storage.cleaner import CleanOffsets
from impl.storage.deletion import Deletions
from impl.storage.filesystem import FileSystem, Lock
from impl.storage.log import Log
from impl.storage.recovery import LogStart

logger = logging.getLogger(__name__)

# What file systems take; a topic of the longest name is renamed while it is being deleted.
NAME_BYTES_MAX: Final = 255

# Logs of the broker's own; the names of partitions end in a number.
OFFSETS_LOG: Final = "committed-offsets"
TRANSACTIONAL_LOG: Final = "transactional-ids"
LOCK: Final = ".lock"
DELETED_SUFFIX: Final = "-delete"
METADATA_VERSION: Final = "0"


class DataDirectoryError(Exception):
    """A data directory that this broker can't use: it is locked, or belongs to another node."""


class Broker:
    """One broker and its data directory. `node_id` and the address are what clients are told."""

    def __init__(
        self, files: FileSystem, directory: Path, config: BrokerConfig, node_id: int, clock: Callable[[], int]
    ) -> None:
        """Open the directory, recovering what the last stop left. Raises DataDirectoryError, OSError."""
        self.config = config
        self.node_id = node_id
        self.host = ""
        self.port = 0
        self.now_ms = clock
        self.partitions: dict[tuple[str, int], Partition] = {}
        self._files = files
        self._directory = directory
        files.make_directory(directory)
        self._lock = self._take_lock()
        self.cluster_id = self._read_identity()
        self.catalog = Catalog(files, directory, config, node_id)
        self.producer_ids = ProducerIds(files, directory)
        self.fetch_sessions = FetchSessions(config.number("max.incremental.fetch.session.cache.slots"))
        self.deletions = Deletions(files)
        self.clean_offsets = CleanOffsets(files, directory / CLEANER_OFFSETS)
        self._was_clean = files.exists(directory / CLEAN_SHUTDOWN)
        files.remove(directory / CLEAN_SHUTDOWN)
        self._remove_deleted()
        starts = read_checkpoint(files, directory / LOG_START_OFFSETS)
        self._starts = {(topic, int(index)): int(offset) for topic, index, offset in starts}
        for topic in self.catalog.all():
            self._open_partitions(topic, range(topic.partition_count))
        self._offsets_log = self._open_log(directory / OFFSETS_LOG, {"segment.bytes": "104857600"}, 0)
        self.offsets = CommittedOffsets(self._offsets_log)
        self._transactional_log = self._open_log(directory / TRANSACTIONAL_LOG, {"segment.bytes": "104857600"}, 0)
        self.transactional_ids = TransactionalIds(self._transactional_log, self.producer_ids.allocate)
        self._was_clean = False  # a log made from now on has nothing to trust
        self._starts.clear()

    def partition(self, topic: str, index: int) -> Partition:
        """A partition. Raises UNKNOWN_TOPIC_OR_PARTITION."""
        partition = self.partitions.get((topic, index))
        if partition is None:
            raise BrokerError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return partition

    def topic_name(self, topic_id: bytes) -> str | None:
        """The name of the topic with this id (16 bytes)."""
        topic = self.catalog.by_id(UUID(bytes=topic_id))
        return topic.name if topic is not None else None

    def create_topic(self, topic: Topic) -> None:
        """Keep a topic that the catalog has checked, and open its logs."""
        self.catalog.add(topic)
        self._open_partitions(topic, range(topic.partition_count))
        logger.info("created topic %s with %d partition(s)", topic.name, topic.partition_count)

    def grow_topic(self, topic: Topic) -> None:
        """Keep a topic that has more partitions than before, and open the new ones."""
        before = self.catalog.get(topic.name)
        first = before.partition_count if before is not None else 0
        self.catalog.replace(topic)
        self._open_partitions(topic, range(first, topic.partition_count))

    def reconfigure_topic(self, topic: Topic) -> None:
        """Keep a topic's changed configuration and apply it."""
        self.catalog.replace(topic)
        config = self.config.partition_config(topic.overrides)
        for index in range(topic.partition_count):
            self.partitions[topic.name, index].reconfigure(config)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its records and the offsets committed for it. Raises UNKNOWN_TOPIC_OR_PARTITION."""
        topic = self.catalog.remove(name)
        delay_ms = self.config.number("log.segment.delete.delay.ms")
        for index in range(topic.partition_count):
            partition = self.partitions.pop((name, index))
            suffix = f"-{index}.{topic.topic_id.hex}{DELETED_SUFFIX}"
            gone = partition.log.directory.with_name(name[: NAME_BYTES_MAX - len(suffix)] + suffix)
            self._files.rename(partition.log.directory, gone)
            partition.log.moved_to(gone)
            self.deletions.add_log(partition.log, self.now_ms() + delay_ms)
            partition.notify()
        self._write_starts()
        self.clean_offsets.forget(name)
        self.offsets.remove_topic(name, self.now_ms())
        logger.info("deleted topic %s", name)

    def delete_records(self, partition: Partition, before_offset: int) -> int:
        """Raise a partition's log start offset, durably; answers the new low watermark. Raises BrokerError."""
        low_watermark = partition.delete_records(before_offset)
        self._write_starts()
        return low_watermark

    def close(self) -> None:
        """Make everything durable and leave the marker of a clean stop."""
        for partition in self.partitions.values():
            partition.log.close()
        self._offsets_log.close()
        self._transactional_log.close()
        self._write_starts()
        self._files.replace_file(self._directory / CLEAN_SHUTDOWN, b"")
        self._lock.close()

    def _take_lock(self) -> Lock:
        try:
            return self._files.lock(self._directory / LOCK)
        except BlockingIOError:
            raise DataDirectoryError(f"{self._directory} is in use by another broker") from None

    def _read_identity(self) -> str:
        """The cluster's id; made up in a new directory."""
        path = self._directory / META_PROPERTIES
        known = read_properties(self._files, path)
        if known:
            if known.get("node.id") != str(self.node_id):
                raise DataDirectoryError(f"{self._directory} belongs to node {known.get('node.id')}")
            return known["cluster.id"]
        cluster_id = uuid_text(UUID(bytes=secrets.token_bytes(16)))
        identity = {
            "version": "1",
            "node.id": str(self.node_id),
            "cluster.id": cluster_id,
            "directory.id": uuid_text(uuid4()),
        }
        write_properties(self._files, path, identity)
        return cluster_id

    def _remove_deleted(self) -> None:
        """Finish deletions that the last stop interrupted."""
        for name in self._files.list_names(self._directory):
            if name.endswith(DELETED_SUFFIX):
                self._files.remove_tree(self._directory / name)

    def _open_partitions(self, topic: Topic, indexes: range) -> None:
        config = self.config.partition_config(topic.overrides)
        for index in indexes:
            directory = self._directory / f"{topic.name}-{index}"
            self._set_aside_stranger(directory, topic)
            # A topic that was compacted once has gaps for ever.
            has_gaps = config.cleanup_compact or self.clean_offsets.get(topic.name, index) is not None
            start = self._starts.get((topic.name, index), 0)
            log = self._open_log(directory, topic.overrides, start, may_have_gaps=has_gaps)
            metadata = {"version": METADATA_VERSION, "topic_id": uuid_text(topic.topic_id)}
            if not self._files.exists(directory / PARTITION_METADATA):
                write_properties(self._files, directory / PARTITION_METADATA, metadata, ": ")
            partition = Partition(topic.name, index, topic.topic_id, log, config)
            self.partitions[topic.name, index] = partition

    def _set_aside_stranger(self, directory: Path, topic: Topic) -> None:
        """Remove the log of an earlier topic of this name, whose deletion was interrupted."""
        found = read_properties(self._files, directory / PARTITION_METADATA, ":").get("topic_id")
        if found is not None and found != uuid_text(topic.topic_id):
            logger.warning("removing %s: it belongs to a deleted topic with id %s", directory, found)
            self._files.remove_tree(directory)

    def _open_log(
        self, directory: Path, overrides: Mapping[str, str], log_start_offset: int, *, may_have_gaps: bool = False
    ) -> Log:
        start = LogStart(
            log_start_offset,
            self._was_clean,
            self.config.number("producer.id.expiration.ms"),
            may_have_gaps=may_have_gaps,
        )
        limits = self.config.partition_config(overrides).segment_limits
        return Log(self._files, directory, limits, self.now_ms(), start)

    def _write_starts(self) -> None:
        """Note where logs begin that do not begin with their first segment (`checkpointLogStartOffsetsInDir`)."""
        entries = [
            f"{topic} {index} {partition.log.log_start_offset}"
            for (topic, index), partition in self.partitions.items()
            if partition.log.log_start_offset > partition.log.segments[0].base_offset
        ]
        write_checkpoint(self._files, self._directory / LOG_START_OFFSETS, entries)
