"""How storage could go wrong over a disk that fails, or damages what is at rest: what is planted for `storage_bugs`."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from errno import ENOSPC
from typing import Any
from unittest.mock import patch

from impl.errors import StorageError
from impl.storage.checkpoints import CLEAN_SHUTDOWN
from impl.storage.log_directory import LogDirectory
from impl.storage.segment import LOG, Segment

Planted = Callable[..., Any]


class AgreesWithAll(int):
    """A checksum that nothing differs from; written, it is 0."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, _: object) -> bool:
        return True

    def __ne__(self, _: object) -> bool:
        return False


def swallow(right: Any) -> Planted:
    """Take what fails for done."""

    def planted(*arguments: Any, **named: Any) -> Any:
        with suppress(StorageError):
            return right(*arguments, **named)

    return planted


def end_where_it_fails(right: Any) -> Planted:
    def good_batches(*arguments: Any) -> Iterator[Any]:
        with suppress(StorageError):
            yield from right(*arguments)

    return good_batches


def go_on_when_full(right: Any) -> Planted:
    """Take what a full disk has no room for as written."""

    def append(self: Segment, *rest: Any) -> None:
        try:
            right(self, *rest)
        except StorageError as error:
            if error.errno != ENOSPC:
                raise

    return append


def mark_always(right: Any) -> Planted:
    def close(self: LogDirectory) -> None:
        right(self)
        with suppress(StorageError):
            self._files.replace_file(self.path / CLEAN_SHUTDOWN, b"")

    return close


def check_the_newest_only(right: Any) -> Planted:
    """Look at the checksums of the newest segment only: the others were written long ago."""

    def recover(segment: Segment, *rest: Any) -> Any:
        names = segment._files.list_names(segment._directory)
        if segment.path(LOG).name == [name for name in names if name.endswith(LOG)][-1]:
            return right(segment, *rest)
        with patch("impl.storage.scan.crc32c", lambda _: AgreesWithAll()):
            return right(segment, *rest)

    return recover
