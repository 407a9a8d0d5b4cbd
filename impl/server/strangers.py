"""Directories of partitions that no topic has, or that are an earlier topic's of the same name.

Either DeleteTopics was interrupted after the topic was forgotten and before the directory was renamed, or the file of
topics is not the one that belongs to them. What they hold is nobody's to remove then: a directory that is in the way
is renamed (`LocalLog.logStrayDirName`), and the others are told of at the start.
"""

import logging
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Final
from uuid import UUID

from impl.cluster import catalog
from impl.errors import DataDirectoryError
from impl.storage.checkpoints import LEADER_EPOCHS, PARTITION_METADATA
from impl.storage.filesystem import FileSystem
from impl.storage.log_directory import LogName, directory_name

logger = logging.getLogger(__name__)

# What file systems take; a partition of the longest name gets a longer one while it is being deleted.
NAME_BYTES_MAX: Final = 255
STRAY_SUFFIX: Final = "-stray"


def renamed(name: LogName, unique: str, suffix: str) -> str:
    """The name of a partition's directory that is no log any more (`LocalLog.logDirNameWithSuffixCappedLength`)."""
    topic, index = name
    ending = f"-{index}.{unique}{suffix}"
    return topic[: NAME_BYTES_MAX - len(ending)] + ending


def move_aside(files: FileSystem, directory: Path, name: LogName, unique: UUID, why: str) -> None:
    """Rename a partition's directory, so that another log can be in its place. Raises StorageError."""
    aside = directory / renamed(name, unique.hex, STRAY_SUFFIX)
    files.rename(directory / directory_name(name), aside)
    logger.warning(
        "%s %s: it is kept as %s; remove it if nobody needs its records",
        directory / directory_name(name), why, aside.name,
    )  # fmt: skip


def refuse_without_topics(files: FileSystem, first: Path, directories: Iterable[Path]) -> None:
    """See that the file of topics is there if there are partitions. Raises DataDirectoryError, StorageError."""
    path = first / catalog.FILE_NAME
    if files.exists(path):
        return
    for directory in directories:
        for found in _partitions(files, directory, ()):
            raise DataDirectoryError(
                f"{path} is missing, but there are partitions, as {found}: restore the file, or give the directory "
                "that has it as the first --data, or move the directories of the partitions away"
            )


def tell_of_strangers(files: FileSystem, directory: Path, known: Container[str]) -> None:
    """Warn of partitions that no topic has. Raises StorageError."""
    for found in _partitions(files, directory, known):
        logger.warning(
            "no topic has %s, which is left alone: restore %s if its records are needed, or else remove it",
            found, catalog.FILE_NAME,
        )  # fmt: skip


def _partitions(files: FileSystem, directory: Path, known: Container[str]) -> Iterator[Path]:
    """The directories of partitions other than those that are known."""
    for name in files.list_names(directory):
        topic, found, index = name.rpartition("-")
        is_named_so = topic and found and index.isascii() and index.isdecimal() and name not in known
        path = directory / name
        if is_named_so and any(files.exists(path / each) for each in (PARTITION_METADATA, LEADER_EPOCHS)):
            yield path
