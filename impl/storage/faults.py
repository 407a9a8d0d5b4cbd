"""What goes wrong with a simulated disk, and when: told beforehand, so that the same run goes wrong the same way.

A fault waits for the n-th operation of a kind (on files whose path contains a text) and fails it once, or from then
on. A short write takes only some of the bytes and is no failure; a full disk takes what fits.
"""

import errno
from collections.abc import Callable
from typing import Final, Literal

import attrs

Kind = Literal["open", "read", "write", "truncate", "sync", "sync directory", "make", "move", "remove", "list"]

# The operations that leave the disk as it was: a loss of power before or after one makes no difference.
READING: Final = frozenset({"read", "list"})


class Crash(BaseException):
    """The power is lost. No Exception: nothing that handles failures may handle this one."""


@attrs.define(slots=True)
class Fault:
    """Fails the operation number `after` (from 0) of a kind with an error number, and all later ones if it `lasts`."""

    kind: Kind
    after: int = 0
    error: int = errno.EIO
    lasts: bool = False
    path_contains: str = ""
    bytes_taken: int = 0  # by a write that fails or is short
    is_short_write: bool = False  # takes `bytes_taken`, which is at least 1, and succeeds
    seen: int = attrs.field(default=0, init=False)

    def strikes(self, kind: str, path: str) -> bool:
        """Whether this operation is the one; counts it."""
        if kind != self.kind or self.path_contains not in path:
            return False
        self.seen += 1
        return self.seen > self.after if self.lasts else self.seen == self.after + 1


@attrs.define(slots=True)
class Faults:
    """All that goes wrong with one simulated disk, and the count of the operations that changed it.

    `before_change` is called before each of them with its number, from 0; it may raise Crash, and then neither this
    operation nor any other one of the same process is done.
    """

    planned: list[Fault] = attrs.field(factory=list)
    capacity: int | None = None  # bytes of all files together; None: no limit
    before_change: Callable[[int], None] | None = None
    changes: int = 0

    def meet(self, kind: Kind, path: str) -> Fault | None:
        """Count an operation; answers the fault that strikes it."""
        if kind not in READING:
            if self.before_change is not None:
                self.before_change(self.changes)
            self.changes += 1
        for fault in self.planned:
            if fault.strikes(kind, path):
                return fault
        return None


def crash_before(number: int) -> Callable[[int], None]:
    """A `before_change` that loses power before the change with this number."""

    def crash(change: int) -> None:
        if change >= number:
            raise Crash

    return crash
