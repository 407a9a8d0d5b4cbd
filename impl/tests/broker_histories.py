"""A whole broker on a simulated disk that may lose power before every change of it, and what must hold then.

As `durability` does for one log, for what a broker keeps beside them: which topics there are and how they are set,
where their logs begin, what becomes of a deleted topic, which producer ids were given, and the cluster's id.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch
from uuid import UUID

import attrs

from impl.cluster.catalog import SET, ConfigChange, Topic, TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.errors import DataDirectoryError, StorageError
from impl.replica.partition import Partition
from impl.server.broker import DELETED_SUFFIX, Broker
from impl.storage.faults import Crash
from impl.storage.simulated import Directory, SimulatedFileSystem
from impl.storage.survivors import FileContent
from impl.tests.durability import Violation, must
from impl.tests.logs import contents
from impl.tests.support import NOW, make_batch, records

DIRECTORIES: Final = (Path("/first"), Path("/second"))
TOPICS: Final = ("t", "u")
INDEXES: Final = 3  # partitions that a topic has at most
MUCH_LATER: Final = NOW + (1 << 40)
WEIGHTS: Final = {
    "create": 4,
    "append": 8,
    "flush": 4,
    "delete_records": 3,
    "delete": 3,
    "grow": 1,
    "configure": 1,
    "allocate": 2,
    "checkpoint": 1,
    "remove_given_up": 1,
    "restart": 2,
    "nothing": 1,
}


@attrs.frozen
class Stop:
    """Power, or (killed) only the process, is lost after so many changes of a step, or at its end."""

    changes: int
    seed: int
    killed: bool


@attrs.frozen
class Step:
    """What is done to a broker, by its name in `BrokerTrial`, and to which partition; a stop may interrupt it."""

    name: str
    topic: str = "t"
    index: int = 0
    stop: Stop | None = None


@attrs.define
class Kept:
    """What was promised of one partition."""

    values: list[bytes] = attrs.field(factory=list)  # of all that was appended, by offset
    flushed: int = 0  # everything before this offset must be found
    appended_to: int = 0  # after a kill, everything before this offset must be found
    start_min: int = 0
    start_max: int = 0


def drawn_history(random: Random) -> list[Step]:
    """A history whose first steps fill a topic."""
    history = [Step("create"), Step("append"), Step("append"), Step("flush")]
    names, weights = [*WEIGHTS], [*WEIGHTS.values()]
    for name in random.choices(names, weights, k=random.randint(5, 20)):
        stop = None
        if random.random() < 0.15:
            stop = Stop(random.randrange(20), random.randrange(1 << 30), random.random() < 0.3)
        history.append(Step(name, random.choice(TOPICS), random.randrange(INDEXES), stop))
    return history


class AtOnce(Executor):
    """Threads that do all at once and in order, so that a history can be repeated."""

    def __init__(self, *_: Any) -> None:
        """Have none."""

    def submit(self, job: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        """See Executor."""
        done: Future[Any] = Future()
        done.set_result(job(*arguments, **named))
        return done


@contextmanager
def without_threads() -> Iterator[None]:
    """While brokers do everything in one thread."""
    with (
        patch("impl.server.log_directories.ThreadPoolExecutor", AtOnce),
        patch("impl.storage.log_directory.ThreadPoolExecutor", AtOnce),
    ):
        yield


class BrokerTrial:
    """One history of a broker with one data directory or with two.

    `points` counts the losses of power that were looked at, `seen` what became of topics that were being deleted, and
    what else befell the broker that goes on, and `digest` tells all that losses left: a seed gives it again.
    """

    def __init__(self, seed: int = 0, page_size: int = 64, directories: Sequence[Path] = DIRECTORIES[:1]) -> None:
        self.points = 0
        self.seen: Counter[str] = Counter()
        self.digest = hashlib.sha256()
        self._seed = seed
        self._page_size = page_size
        self._paths = directories
        self._files = SimulatedFileSystem()
        self._ids = Random(f"{seed} ids")
        self._may_be: dict[str, tuple[Topic | None, ...]] = dict.fromkeys(TOPICS, (None,))
        self._kept: dict[tuple[UUID, int], Kept] = {}
        self._made: set[str] = set()
        self._given = -1
        self._cluster_id: str | None = None
        self._changes_left: int | None = None
        self._count = 0

    def play(self, history: Sequence[Step]) -> None:
        """Do all steps, and lose power once more at the end. Raises Violation."""
        with without_threads():
            self._begin()
            for step in history:
                self._do(step)
                self._hold(self._broker, lost=False)
            self._look(-1)

    def _begin(self) -> None:
        """Start the broker on what there is."""
        self._files.faults.before_change = self._look
        self._broker = self._started(self._files)
        self._cluster_id = self._broker.cluster_id

    def _started(self, files: SimulatedFileSystem) -> Broker:
        try:
            return Broker(files, self._paths[0], BrokerConfig(), 1, lambda: NOW, self._paths[1:], self._make_id)
        except (DataDirectoryError, StorageError) as error:
            raise Violation(f"the start is refused: {error}") from error

    def _make_id(self) -> UUID:
        """A new id, which follows from the seed."""
        return UUID(int=self._ids.getrandbits(128), version=4)

    def _do(self, step: Step) -> None:
        self._changes_left = None if step.stop is None else step.stop.changes
        try:
            getattr(self, f"_{step.name}")(step)
        except Crash:
            self.seen["interrupted"] += 1
        self._changes_left = None
        if step.stop is not None:
            self._go_on_after(step.stop)

    def _go_on_after(self, stop: Stop) -> None:
        """Lose power or the process for good, and go on with what is found."""
        lost = not stop.killed
        self._files = self._after(self._files, Random(stop.seed), lost=lost)
        before = {key: kept.appended_to for key, kept in self._kept.items()}
        if lost:
            for kept in self._kept.values():
                kept.appended_to = kept.flushed  # a kill of the recovery finds no more than this one
        self._begin()
        self._hold(self._broker, lost=lost)
        for name in TOPICS:
            self._may_be[name] = (self._broker.catalog.get(name),)
        for (topic_id, index), kept in self._kept.items():
            topic = self._broker.catalog.by_id(topic_id)
            if topic is None or index >= topic.partition_count:
                continue
            log = self._broker.partition(topic.name, index).log
            self.seen["lost records"] += log.log_end_offset < before[topic_id, index]
            kept.appended_to = log.log_end_offset
            kept.flushed = min(kept.flushed, kept.appended_to)
            kept.start_min = kept.start_max = log.log_start_offset
            del kept.values[kept.appended_to :]

    # -- steps -------------------------------------------------------------------------------------------------------

    def _nothing(self, _: Step) -> None:
        """Do nothing: only a stop is meant."""

    def _create(self, step: Step) -> None:
        if self._broker.catalog.get(step.topic) is None:
            configs = {"segment.bytes": "200"} if step.index else {}
            request = TopicRequest(step.topic, 1 + step.index % 2, configs=configs)
            topic = self._broker.catalog.check_creation(request)
            self._change(step.topic, topic, lambda: self._broker.create_topic(topic))

    def _delete(self, step: Step) -> None:
        if self._broker.catalog.get(step.topic) is not None:
            self.seen["deleted"] += 1
            self._change(step.topic, None, lambda: self._broker.delete_topic(step.topic))

    def _grow(self, step: Step) -> None:
        topic = self._broker.catalog.get(step.topic)
        if topic is not None and topic.partition_count < INDEXES:
            grown = self._broker.catalog.check_growth(step.topic, topic.partition_count + 1, None)
            self._change(step.topic, grown, lambda: self._broker.grow_topic(grown))

    def _configure(self, step: Step) -> None:
        if self._broker.catalog.get(step.topic) is not None:
            self._count += 1
            change = ConfigChange("retention.bytes", SET, f"{1_000_000 + self._count}")
            changed = self._broker.catalog.change_configs(step.topic, [change])
            self._change(step.topic, changed, lambda: self._broker.reconfigure_topic(changed))

    def _change(self, name: str, to: Topic | None, change: Callable[[], None]) -> None:
        """Change what a topic is, which it is for certain once that has returned."""
        self._may_be[name] += (to,)
        self._made.add(name)
        if to is not None:
            for index in range(to.partition_count):
                self._kept.setdefault((to.topic_id, index), Kept())
        change()
        self._may_be[name] = (to,)

    def _at(self, step: Step) -> tuple[Partition, Kept] | None:
        """The partition that a step is about, if its topic is there."""
        topic = self._broker.catalog.get(step.topic)
        if topic is None:
            return None
        index = step.index % topic.partition_count
        return self._broker.partition(step.topic, index), self._kept[topic.topic_id, index]

    def _append(self, step: Step) -> None:
        if (at := self._at(step)) is not None:
            partition, kept = at
            self._count += 1
            value = b"%d" % self._count + b"." * 40
            kept.values.append(value)
            partition.append(memoryview(make_batch(records(value))), NOW)
            kept.appended_to = partition.log.log_end_offset

    def _flush(self, step: Step) -> None:
        if (at := self._at(step)) is not None:
            partition, kept = at
            partition.log.flush()
            kept.flushed = partition.log.log_end_offset

    def _delete_records(self, step: Step) -> None:
        if (at := self._at(step)) is not None:
            partition, kept = at
            kept.start_max = (partition.log.log_start_offset + partition.log.log_end_offset + 1) // 2
            self.seen["deleted records"] += kept.start_max > kept.start_min
            self._broker.delete_records(partition, kept.start_max)
            kept.start_min = kept.start_max

    def _allocate(self, _: Step) -> None:
        self._given = self._broker.producer_ids.allocate()

    def _checkpoint(self, _: Step) -> None:
        self._broker.directories.checkpoint_later(high_watermarks_only=False)

    def _remove_given_up(self, _: Step) -> None:
        self._broker.deletions.run(MUCH_LATER)

    def _restart(self, _: Step) -> None:
        self._broker.close()
        for kept in self._kept.values():
            kept.flushed = kept.appended_to
        self._begin()

    # -- losses ------------------------------------------------------------------------------------------------------

    def _after(self, files: SimulatedFileSystem, random: Random, *, lost: bool) -> SimulatedFileSystem:
        return files.after_power_loss(random, self._page_size) if lost else files.after_kill()

    def _look(self, change: int) -> None:
        """What would be found if power, or only the process, was lost now; and lose it, if that is due."""
        self.points += 1
        random = Random(f"{self._seed} {change}")
        way = random.randrange(6)
        lost = way > 0
        files = self._after(self._files, random, lost=lost)
        if way == 1:
            files = self._after_next_loss(files, random)
        _take_in(self.digest, files.names(Path("/")))
        found = self._started(files)
        self._hold(found, lost=lost)
        self._hold_new(found)
        if self._changes_left is not None:
            self._changes_left -= 1
            if self._changes_left < 0:
                raise Crash

    def _after_next_loss(self, files: SimulatedFileSystem, random: Random) -> SimulatedFileSystem:
        """What is found after a loss of power during the next start, before any change of it or after the last."""
        found = files
        changes = 0

        def choose(_: int) -> None:
            nonlocal found, changes
            changes += 1
            if random.randrange(changes) == 0:  # so that each is as likely, however many there will be
                found = self._after(files, random, lost=True)

        files.faults.before_change = choose
        self._started(files)
        files.faults.before_change = None
        choose(-1)
        return found

    # -- what must hold ----------------------------------------------------------------------------------------------

    def _hold(self, broker: Broker, *, lost: bool) -> None:
        """Hold what is found to what was promised. Raises Violation."""
        topics = {topic.name: topic for topic in broker.catalog.all()}
        must(topics.keys() <= {*TOPICS}, f"there are topics that nobody made: {sorted(topics)}")
        for name, may_be in self._may_be.items():
            must(topics.get(name) in may_be, f"topic {name} is {topics.get(name)}, and should be one of {may_be}")
            if len(may_be) > 1 and may_be[-1] is None:
                self.seen["not yet deleted" if name in topics else "deleted by half"] += 1
        wanted = {(topic.name, index) for topic in topics.values() for index in range(topic.partition_count)}
        must(broker.partitions.keys() == wanted, f"there are partitions {sorted(broker.partitions)}, of {topics}")
        for (name, index), partition in broker.partitions.items():
            must(partition.log.failure is None, f"{name}-{index} is offline")
            _hold_log(partition, self._kept[topics[name].topic_id, index], lost=lost)
        if self._cluster_id is not None:
            must(broker.cluster_id == self._cluster_id, "the cluster has another id")

    def _hold_new(self, broker: Broker) -> None:
        """Hold a broker that was just started, by which nothing that was given up, or given, comes again."""
        for path in self._paths:
            names = broker._files.list_names(path)
            must(not any(name.endswith(DELETED_SUFFIX) for name in names), f"in {path} there are {names}")
        given = broker.producer_ids.allocate()
        must(given > self._given, f"producer id {given} is given after {self._given}")
        for name in TOPICS:
            if name in self._made and broker.catalog.get(name) is None:
                broker.create_topic(broker.catalog.check_creation(TopicRequest(name)))
                _hold_log(broker.partition(name, 0), Kept(), lost=False)


def _take_in(digest: "hashlib._Hash", directory: Directory) -> None:
    """Add everything in a directory to a digest."""
    for name, entry in sorted(directory.cached.items()):
        is_file = isinstance(entry, FileContent)
        digest.update(b"%s %d " % (name.encode(), len(entry.cached) if is_file else -1))
        if isinstance(entry, FileContent):
            digest.update(entry.cached)
        else:
            _take_in(digest, entry)
    digest.update(b"/")


def _hold_log(partition: Partition, kept: Kept, *, lost: bool) -> None:
    """Hold one log to what was promised of it. Raises Violation."""
    start, end = partition.log.log_start_offset, partition.log.log_end_offset
    name = partition.name
    must(kept.start_min <= start <= kept.start_max, f"{name} begins at {start}: {kept}")
    must_reach = kept.flushed if lost else kept.appended_to
    must(must_reach <= end <= max(start, len(kept.values)), f"{name} ends at {end}, and must reach {must_reach}")
    found = [(offset, value) for offset, _, value, _ in contents(partition.log)]
    must(found == [*enumerate(kept.values)][start:end], f"{name} has {found} from {start} to {end}: {kept}")
