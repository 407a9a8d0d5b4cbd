"""Which requirements a run is about: those chosen by the start of their id that hold for the profile.

`LOG` chooses a family, `LOG-0` ten of it, `LOG-03` one. Not here: which cases check them (`conformance.engine`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from attrs import frozen

from model.catalogue import Requirement, requirements
from model.profiles import Profile


class UnknownIdError(LookupError):
    """An id, or the start of one, that matches nothing in the catalogue; the message names what comes close."""


@frozen
class Selection:
    """The requirements of a run, in the catalogue's order."""

    requirements: tuple[Requirement, ...]
    left_out: tuple[Requirement, ...]
    """Chosen, but they do not hold for the profile."""

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the run."""
        return tuple(requirement.id for requirement in self.requirements)


def split_ids(text: str) -> tuple[str, ...]:
    """The ids of a list like `IDM,LOG-03`, in capitals; blanks and empty pieces don't count."""
    return tuple(piece.strip().upper() for piece in text.split(",") if piece.strip())


def chosen(only: Sequence[str]) -> tuple[Requirement, ...]:
    """The requirements whose id starts with one of `only`; all of them if there is none.

    Raises:
        UnknownIdError: one matches nothing.
    """
    everything = requirements()
    for prefix in only:
        if not any(each.startswith(prefix) for each in everything):
            raise UnknownIdError(f"no requirement's id starts with {prefix!r}{close_to(prefix)}")
    wanted = tuple(only)
    return tuple(each for each in everything.values() if not wanted or each.id.startswith(wanted))


def select(only: Sequence[str], profile: Profile) -> Selection:
    """What a run of this profile is about.

    Raises:
        UnknownIdError: one of `only` matches nothing.
    """
    found = chosen(only)
    return Selection(
        tuple(each for each in found if each.holds_for(profile)),
        tuple(each for each in found if not each.holds_for(profile)),
    )


def close_to(word: str) -> str:
    """` (did you mean ...?)` with the ids and families that look like `word`; otherwise what families there are."""
    ids = list(requirements())
    families = list(dict.fromkeys(each[:3] for each in ids))
    matches = difflib.get_close_matches(word.upper(), [*families, *ids], n=3, cutoff=0.5)
    return f" (did you mean {_or(matches)}?)" if matches else f"; the families are {', '.join(families)}"


def _or(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} or {last}" if first else last
