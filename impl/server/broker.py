"""The broker behind the wire: opens what its directories hold, and keeps partitions, topics and offsets together.

It performs what the handlers ask for; it knows no message of the protocol and no socket. The clock and what makes new
ids are passed in, so that the parts below need none. One process may use a data directory at a time. Logs are in all of
its directories, everything else is in the first.
"""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from impl.cluster.catalog import Catalog, Topic
from impl.cluster.configs import BrokerConfig
from impl.cluster.offsets import CommittedOffsets
from impl.cluster.producer_ids import ProducerIds
from impl.cluster.transactional_ids import TransactionalIds
from impl.errors import BrokerError, DataDirectoryError, ErrorCode, StorageError
from impl.replica.config import PartitionConfig
from impl.replica.fetch_session import FetchSessions
from impl.replica.partition import Partition
from impl.server.clean_offsets import CleanOffsets
from impl.server.found_logs import FoundLogs
from impl.server.log_directories import LogDirectories, refuse_nested
from impl.server.strangers import move_aside, refuse_without_topics, renamed, tell_of_strangers
from impl.storage.checkpoints import (
    META_PROPERTIES,
    PARTITION_METADATA,
    CheckpointError,
    read_properties,
    set_aside,
    uuid_text,
    write_properties,
)
from impl.storage.deletion import Deletions
from impl.storage.filesystem import FileSystem
from impl.storage.log_directory import (
    NO_PARTITION,
    LogDirectory,
    LogName,
    LogSettings,
    directory_name,
    make_durably,
)

logger = logging.getLogger(__name__)

# Logs of the broker's own; the names of partitions end in a number.
OFFSETS_LOG: Final = ("committed-offsets", NO_PARTITION)
TRANSACTIONAL_LOG: Final = ("transactional-ids", NO_PARTITION)
OWN_LOG_CONFIG: Final = {"segment.bytes": "104857600"}
LOCK: Final = ".lock"
DELETED_SUFFIX: Final = "-delete"
METADATA_VERSION: Final = "0"
IDENTITY_VERSION: Final = "1"  # MetaPropertiesVersion.V1; V0 is of brokers with ZooKeeper, and has a broker.id
# What an operator can do about an identity that says nothing.
NOBODYS: Final = (
    "nobody can tell whose directory it is: restore the file, or remove it if the directory is this broker's"
)
# Each partition that is led writes down its new epoch and waits for the disk, which takes many such at once.
MANY_PARTITIONS: Final = 64
FLUSHES_AT_ONCE: Final = 8


class Broker:
    """One broker and its data directories. `node_id` and the address are what clients are told."""

    def __init__(
        self,
        files: FileSystem,
        directory: Path,
        config: BrokerConfig,
        node_id: int,
        clock: Callable[[], int],
        more_directories: Sequence[Path] = (),
        make_id: Callable[[], UUID] = uuid4,
    ) -> None:
        """Open the directories, recovering what the last stop left. Raises DataDirectoryError, OSError."""
        self.config = config
        self.node_id = node_id
        self.host = ""
        self.port = 0
        self.now_ms = clock
        self.partitions: dict[tuple[str, int], Partition] = {}
        self._files = files
        self._directory = directory
        self._make_id = make_id
        paths = [directory, *more_directories]
        refuse_nested(paths)
        self._locks = ExitStack()
        self.cluster_id = ""
        with self._locks as locks:  # which are given back if anything fails
            failed = self._claim(paths)
            threads = config.number("num.recovery.threads.per.data.dir")
            # What can refuse the start comes before the markers of a clean stop are removed.
            refuse_without_topics(files, directory, [path for path in paths if path not in failed])
            self.catalog = Catalog(files, directory, config, node_id, make_id)
            self.producer_ids = ProducerIds(files, directory)
            self._found = self._look_for_logs(paths, failed)
            self.directories = LogDirectories(files, paths, threads, clock, failed)
            self.fetch_sessions = FetchSessions(config.number("max.incremental.fetch.session.cache.slots"))
            self.deletions = Deletions(files)
            self.clean_offsets = CleanOffsets(files, self.directories, self._known())
            self._look_for_leftovers()
            self._open_logs()
            self.producer_ids.begin_after(self._greatest_producer_id())
            self._read_own_logs()
            self._locks = locks.pop_all()

    def _greatest_producer_id(self) -> int:
        logs = (each.log for each in self.partitions.values() if each.log.failure is None)
        return max((each.producers.greatest_id for each in logs), default=-1)

    def _read_own_logs(self) -> None:
        """Learn what the broker keeps in logs. Raises DataDirectoryError when one is damaged."""
        try:
            self.offsets = CommittedOffsets(self.directories.log(OFFSETS_LOG))
            log = self.directories.log(TRANSACTIONAL_LOG)
            self.transactional_ids = TransactionalIds(log, self.producer_ids.allocate)
        except DataDirectoryError:
            self.directories.close()  # or the next start would cut the log, and go on without what it lost
            raise

    def _claim(self, paths: Sequence[Path]) -> dict[Path, StorageError]:
        """Lock directories and see whom they belong to, before anything in them is touched.

        Answers those whose disks fail, which are left out (`LogManager.createAndValidateLogDirs`). Raises StorageError
        if the first one does, DataDirectoryError.
        """
        failed: dict[Path, StorageError] = {}
        for step in (self._make, self._take_lock, self._read_identity):
            self._in_each(paths, failed, step)
        return failed

    def _in_each(self, paths: Sequence[Path], failed: dict[Path, StorageError], step: Callable[[Path], None]) -> None:
        """Do something in each directory; note those whose disks fail. Raises StorageError if it is the first one's."""
        for path in paths:
            if path in failed:
                continue
            try:
                step(path)
            except StorageError as error:
                if path == self._directory:
                    raise
                failed[path] = error

    def _look_for_logs(self, paths: Sequence[Path], failed: dict[Path, StorageError]) -> FoundLogs:
        """See which directories have which logs. Raises DuplicateLogsError, and StorageError if the first one fails."""
        ids: dict[LogName, str | None] = {OFFSETS_LOG: None, TRANSACTIONAL_LOG: None}
        for topic in self.catalog.all():
            ids.update({(topic.name, index): uuid_text(topic.topic_id) for index in range(topic.partition_count)})
        found = FoundLogs(self._files, ids)
        self._in_each(paths, failed, found.look)
        found.refuse_duplicates()
        return found

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
        """Keep a topic that the catalog has checked, and open its logs. It begins without committed offsets."""
        self.offsets.remove_topic(topic.name, self.now_ms())  # which a stop during a deletion may have left
        self.catalog.add(topic)
        self._open_new_partitions(topic, range(topic.partition_count))
        logger.info("created topic %s with %d partition(s)", topic.name, topic.partition_count)

    def grow_topic(self, topic: Topic) -> None:
        """Keep a topic that has more partitions than before, and open the new ones."""
        before = self.catalog.get(topic.name)
        first = before.partition_count if before is not None else 0
        self.catalog.replace(topic)
        self._open_new_partitions(topic, range(first, topic.partition_count))

    def reconfigure_topic(self, topic: Topic) -> None:
        """Keep a topic's changed configuration and apply it."""
        self.catalog.replace(topic)
        config = self.config.partition_config(topic.overrides)
        for index in range(topic.partition_count):
            self.directories.configure((topic.name, index), self._settings(topic.name, index, config))
            self.partitions[topic.name, index].reconfigure(config)

    def delete_topic(self, name: str) -> None:
        """Delete a topic with its records and the offsets committed for it. Raises UNKNOWN_TOPIC_OR_PARTITION."""
        topic = self.catalog.remove(name)
        delay_ms = self.config.number("log.segment.delete.delay.ms")
        gone = [self.partitions.pop((name, index)) for index in range(topic.partition_count)]
        for partition in gone:
            self._begin_deletion(partition, self.now_ms() + delay_ms)
        self.directories.forget([(name, partition.index) for partition in gone])
        self.clean_offsets.forget(name)
        self.offsets.remove_topic(name, self.now_ms())
        logger.info("deleted topic %s", name)

    def _begin_deletion(self, partition: Partition, due_ms: int) -> None:
        """Rename a log's directory, to be removed when it is due; a disk that fails takes its directory offline."""
        name = renamed((partition.topic, partition.index), partition.topic_id.hex, DELETED_SUFFIX)
        gone = partition.log.directory.with_name(name)
        partition.log.begin_deletion()
        try:
            if partition.log.failure is None or self._files.exists(partition.log.directory):
                self._files.rename(partition.log.directory, gone)
                partition.log.moved_to(gone)
                self.deletions.add_log(partition.log, due_ms)
        except StorageError as error:
            self.directories.fail(error)
        partition.notify()

    def delete_records(self, partition: Partition, before_offset: int) -> int:
        """Raise a partition's log start offset, durably; answers the new low watermark. Raises BrokerError."""
        low_watermark = partition.delete_records(before_offset)
        self.directories.checkpoint_log_starts((partition.topic, partition.index))
        return low_watermark

    @property
    def failure(self) -> StorageError | None:
        """Why the first directory is offline, without which the broker can't go on; None as long as it is not."""
        return self.directories.all[0].failure

    def look_at_failures(self) -> bool:
        """Tell those who wait for logs of a directory that went offline; answers whether the broker can go on."""
        for failed in self.directories.newly_failed():
            for partition in tuple(self.partitions.values()):
                if partition.log.failure is failed.failure:
                    partition.notify()
        return self.failure is None

    def close(self) -> None:
        """Make everything durable and leave the marker of a clean stop."""
        self.directories.close()
        self._locks.close()

    def _make(self, path: Path) -> None:
        try:
            make_durably(self._files, path)
        except StorageError as error:
            if not error.is_missing:
                raise
            # in a file system that takes no new names, as /proc
            raise DataDirectoryError(f"{path} cannot be made ({error.strerror}): give another --data") from error

    def _take_lock(self, path: Path) -> None:
        try:
            self._locks.callback(self._files.lock(path / LOCK).close)
        except BlockingIOError:
            raise DataDirectoryError(f"{path} is in use by another broker: stop it, or give another --data") from None

    def _read_identity(self, directory: Path) -> None:
        """Check whom a directory belongs to, and learn the cluster's id; both are written in a new directory."""
        path = directory / META_PROPERTIES
        try:
            known = read_properties(self._files, path) if self._files.exists(path) else None
        except CheckpointError as error:
            raise DataDirectoryError(f"{error.what}; {NOBODYS}") from error
        if known is not None:
            for key in ("version", "node.id", "cluster.id"):
                if not known.get(key):
                    raise DataDirectoryError(f"{path} is damaged: it has no {key}; {NOBODYS}")
            if known["version"] != IDENTITY_VERSION:
                raise DataDirectoryError(
                    f"{path} is of version {known['version']}, and not of {IDENTITY_VERSION}; {NOBODYS}"
                )
            owner, cluster_id = known["node.id"], known["cluster.id"]
            if owner != str(self.node_id):
                raise DataDirectoryError(f"{directory} belongs to node {owner}: give that --node-id, or another --data")
            if self.cluster_id not in ("", cluster_id):
                raise DataDirectoryError(
                    f"{directory} is not of the cluster of {self._directory}: leave one of them out"
                )
            self.cluster_id = cluster_id
            return
        self.cluster_id = self.cluster_id or uuid_text(self._make_id())
        identity = {
            "version": IDENTITY_VERSION,
            "node.id": str(self.node_id),
            "cluster.id": self.cluster_id,
            "directory.id": uuid_text(self._make_id()),
        }
        write_properties(self._files, path, identity)

    def _known(self) -> set[LogName]:
        """The partitions of all topics."""
        return {(topic.name, index) for topic in self.catalog.all() for index in range(topic.partition_count)}

    def _look_for_leftovers(self) -> None:
        """Finish deletions that the last stop interrupted, and tell of partitions that no topic has."""
        known = {directory_name(name) for name in self._known()}
        for directory in self.directories.all:
            if directory.failure is not None:
                continue
            try:
                for name in self._files.list_names(directory.path):
                    if name.endswith(DELETED_SUFFIX):
                        self._files.remove_tree(directory.path / name)
                tell_of_strangers(self._files, directory.path, known)
            except StorageError as error:
                directory.fail(error)

    def _open_logs(self) -> None:
        """Open all logs of all topics, and the broker's own."""
        own = LogSettings(self.config.partition_config(OWN_LOG_CONFIG).segment_limits)
        # First of all, so that they are in the first directory.
        wanted = {OFFSETS_LOG: own, TRANSACTIONAL_LOG: own}
        for name in wanted:
            self._sort_out(name)
        partitions: list[tuple[Topic, int, PartitionConfig]] = []
        for topic in self.catalog.all():
            config = self.config.partition_config(topic.overrides)
            partitions += [(topic, index, config) for index in range(topic.partition_count)]
        for topic, index, config in partitions:
            self._sort_out((topic.name, index))
            wanted[topic.name, index] = self._settings(topic.name, index, config)
        self.directories.open_all(wanted, self.now_ms())
        if len(partitions) < MANY_PARTITIONS:
            found = [self._opened(*each) for each in partitions]
        else:
            with ThreadPoolExecutor(FLUSHES_AT_ONCE, "leader epochs") as pool:
                found = list(pool.map(self._opened, *zip(*partitions, strict=True)))
        self.partitions.update({(each.topic, each.index): each for each in found})

    def _open_new_partitions(self, topic: Topic, indexes: range) -> None:
        config = self.config.partition_config(topic.overrides)
        for index in indexes:
            name = topic.name, index
            for home in self.directories.that_have(name):
                self._move_aside(home, name, "was there before its topic was created")
            self.directories.home_of(name, is_new=True)
            self.directories.open(name, self._settings(topic.name, index, config), self.now_ms())
            self.partitions[name] = self._opened(topic, index, config)

    def _opened(self, topic: Topic, index: int, config: PartitionConfig) -> Partition:
        """A partition whose log is open. Threads may do it for several at once."""
        log = self.directories.log((topic.name, index))
        metadata = {"version": METADATA_VERSION, "topic_id": uuid_text(topic.topic_id)}
        try:
            if log.failure is None and not self._files.exists(log.directory / PARTITION_METADATA):
                write_properties(self._files, log.directory / PARTITION_METADATA, metadata, ": ")
        except StorageError as error:
            self.directories.fail(error)
        return Partition(topic.name, index, topic.topic_id, log, config)

    def _settings(self, topic: str, index: int, config: PartitionConfig) -> LogSettings:
        return LogSettings(
            limits=config.segment_limits,
            producer_age_ms_max=self.config.number("producer.id.expiration.ms"),
            # A topic that was compacted once has gaps for ever.
            may_have_gaps=config.cleanup_compact or self.clean_offsets.may_have_gaps(topic, index),
            flush_messages_max=config.flush_messages,
            flush_ms_max=config.flush_ms,
        )

    def _sort_out(self, name: LogName) -> None:
        """Take the log that a start has found, if it has, and rename what is in its place and is not its own."""
        homes = {each.path: each for each in self.directories.all}
        own = self._found.own(name)
        for stranger in self._found.strangers(name):
            elsewhere = f", and its topic's log is in {own.home}" if own is not None else ""
            self._move_aside(homes[stranger.home], name, f"{stranger}{elsewhere}")
        if own is None:
            return
        home = homes[own.home]
        self.directories.put(name, home)
        if own.damage is not None and home.failure is None:
            try:
                set_aside(self._files, own.damage.path, own.damage, "the log is taken to be the topic's of its name")
            except StorageError as error:
                home.fail(error)

    def _move_aside(self, home: LogDirectory, name: LogName, why: str) -> None:
        """Rename what is in the place of a log and is not its own; a disk that fails takes its directory offline."""
        if home.failure is not None:
            return
        try:
            move_aside(self._files, home.path, name, self._make_id(), why)
            home.forget_stranger(name)
            self.clean_offsets.forget_stranger(home.path, name)
        except StorageError as error:
            home.fail(error)
