"""Names that nobody else uses, by which all that the suite has made is found again."""

from __future__ import annotations

from attrs import field, frozen


@frozen
class Names:
    """Names for whatever the suite makes: all of them carry the run's random prefix."""

    prefix: str
    taken: dict[str, int] = field(factory=dict)

    def new(self, stem: str) -> str:
        """A fresh name."""
        self.taken[stem] = self.taken.get(stem, 0) + 1
        return f"{self.prefix}-{stem}-{self.taken[stem]}"

    @property
    def beginning(self) -> str:
        """How every name begins, and those that a case derives from one."""
        return f"{self.prefix}-"
