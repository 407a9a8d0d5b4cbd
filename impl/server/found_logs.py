"""What a start finds in the places of logs, and which of it is theirs (`LogManager.loadLog`).

A directory that was offline, or whose disk was not mounted, at an earlier start may have the log of a topic that was
deleted and made again elsewhere meanwhile, or one that was begun anew elsewhere meanwhile. `partition.metadata` tells
the first, by the topic's id. The second nobody can tell: each of the two may have records that the other has not.
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from impl.errors import DataDirectoryError
from impl.storage.checkpoints import PARTITION_METADATA, CheckpointError, read_topic_id
from impl.storage.filesystem import FileSystem
from impl.storage.log_directory import LogName, directory_name

logger = logging.getLogger(__name__)


class DuplicateLogsError(DataDirectoryError):
    """A log that is in two directories, and nobody can tell in which of them its records are."""


@attrs.frozen(slots=True)
class Found:
    """Something in the place of a log, in one of the directories.

    `topic_id` is whose it says that it is, None if it does not; `damage` is why that can't be read.
    """

    home: Path
    topic_id: str | None = None
    damage: CheckpointError | None = None

    def __str__(self) -> str:
        return "names no topic" if self.topic_id is None else f"belongs to another topic, with id {self.topic_id}"


class FoundLogs:
    """What there is in the places of the logs that there should be. Nothing of it is changed."""

    def __init__(self, files: FileSystem, topic_ids: Mapping[LogName, str | None]) -> None:
        """Each log that there should be, with its topic's id as in `partition.metadata`; the broker's own have None."""
        self._files = files
        self._topic_ids = topic_ids
        self._names = {directory_name(name): name for name in topic_ids}
        self._found: dict[LogName, list[Found]] = {}

    def look(self, home: Path) -> None:
        """Learn what a directory has. Raises StorageError, and then nothing of it is known."""
        names = [each for each in self._files.list_names(home) if each in self._names]
        for name, found in [(name, self._looked_at(home, name)) for name in names]:
            self._found.setdefault(self._names[name], []).append(found)

    def _looked_at(self, home: Path, name: str) -> Found:
        try:
            return Found(home, read_topic_id(self._files, home / name / PARTITION_METADATA))
        except CheckpointError as error:
            return Found(home, damage=error)

    def _of_topic(self, name: LogName) -> list[Found]:
        """Those that are the log, as far as can be told: with the topic's id, or else with none.

        Without one are logs of brokers of before Kafka 2.8, and those that were being made when the broker, or the
        disk, stopped. One that can't be read was written once, and so the log may have records.
        """
        found = self._found.get(name, ())
        named = [each for each in found if each.damage is not None or each.topic_id == self._topic_ids[name]]
        return named or [each for each in found if each.topic_id is None]

    def own(self, name: LogName) -> Found | None:
        """Where a log was found; None if it was not."""
        return next(iter(self._of_topic(name)), None)

    def strangers(self, name: LogName) -> Iterator[Found]:
        """What is in the place of a log and is not the log."""
        own = self._of_topic(name)
        return (each for each in self._found.get(name, ()) if each not in own)

    def refuse_duplicates(self) -> None:
        """Raise DuplicateLogsError if a log was found twice; the log tells of all, as one start shows one only."""
        twice = [(name, own) for name in self._found if len(own := self._of_topic(name)) > 1]
        for name, own in twice:
            places = " and ".join(str(each.home / directory_name(name)) for each in own)
            logger.error("%s is in more than one log directory: %s", directory_name(name), places)
        for name, own in twice:
            one, other = (each.home / directory_name(name) for each in own[:2])
            raise DuplicateLogsError(
                f"{one} and {other} are both the log of {directory_name(name)}, as after a start without one of the "
                "disks: look which of them has the records that are needed, and move the other one out of its log "
                f"directory; then start again ({len(twice)} partition(s) are found twice)"
            )
