"""What an operation may answer: named outcomes, the fields that each fixes, and which requirement says so.

The model never computes *the* answer. For every section of an answer (the request as a whole, then each
partition, topic or group in it) it lists the outcomes that are permitted; each fixes some fields by constraints
(an exact value, a bound, a property), and every constraint names the requirement that it states. So a wrong
field is laid at the door of the rule that it breaks, not at that of the case that happened to see it.

Not here: how operations reach a target, and what to do about a violation (`conformance`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from attrs import frozen

from model.reference.errors import ErrorCode
from model.reference.state import Cluster

Values = Mapping[str, object]
"""The fields of one section of an answer, by name. A field that the API version does not carry is absent."""


class Constraint(Protocol):
    """A set of allowed values, able to say itself in words."""

    def admits(self, value: object) -> bool:
        """Whether `value` is allowed."""

    def __str__(self) -> str: ...


@frozen
class Exactly:
    """One value and no other."""

    value: object

    def admits(self, value: object) -> bool:
        return value == self.value

    def __str__(self) -> str:
        return self.value.name if isinstance(self.value, ErrorCode) else repr(self.value)


@frozen
class OneOf:
    """Any of several values."""

    values: tuple[object, ...]

    def admits(self, value: object) -> bool:
        return value in self.values

    def __str__(self) -> str:
        return " or ".join(str(Exactly(value)) for value in self.values)


@frozen
class Between:
    """A number within bounds, both included; `None` leaves a side open."""

    least: float | None
    most: float | None = None

    def admits(self, value: object) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool):
            return False
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)

    def __str__(self) -> str:
        if self.most is None:
            return f"at least {self.least}"
        return f"at most {self.most}" if self.least is None else f"{self.least} to {self.most}"


@frozen
class Meets:
    """A property of the value, given in words and as a predicate."""

    words: str
    predicate: Callable[[object], bool]

    def admits(self, value: object) -> bool:
        return self.predicate(value)

    def __str__(self) -> str:
        return self.words


@frozen
class Expect:
    """One field of an answer, the values that it may have, and the requirement that says so.

    `vital` marks a field without which the rest of a run means nothing (an error code, an offset): after a wrong
    one the model and the target no longer agree on what is true.
    """

    field: str
    allowed: Constraint
    requirement: str
    vital: bool = True


Effect = Callable[[Cluster, Values], Cluster]


def unchanged(cluster: Cluster, _values: Values) -> Cluster:
    """The effect of an operation that only looks."""
    return cluster


@frozen
class Permitted:
    """An outcome that the model allows: its name, the fields it fixes, and what is true after it."""

    name: str
    expects: tuple[Expect, ...]
    then: Effect = unchanged

    def __attrs_post_init__(self) -> None:
        if self.name not in OUTCOMES:
            raise UndeclaredOutcomeError(self.name)


class UndeclaredOutcomeError(LookupError):
    """An outcome was used that no module declared: its name is misspelt, or `declare` is missing."""


@frozen
class Section:
    """One part of an answer (`where` says which) and the outcomes permitted for it."""

    where: str
    choices: tuple[Permitted, ...]


OUTCOMES: dict[str, str] = {}
"""Every outcome that the model knows: its name (`produce.duplicate`) and what it means, in a sentence."""


def declare(name: str, sentence: str) -> str:
    """Name an outcome, once; the suite reports which of them a run has reached."""
    if name in OUTCOMES:
        raise UndeclaredOutcomeError(f"{name} is declared twice")
    OUTCOMES[name] = sentence
    return name


@frozen
class Mismatch:
    """A field that no permitted outcome allows."""

    where: str
    field: str
    seen: object
    allowed: str
    requirement: str
    vital: bool
    outcome: str

    def __str__(self) -> str:
        seen = self.seen.name if isinstance(self.seen, ErrorCode) else repr(self.seen)
        return f"{self.where}: {self.field} is {seen}, allowed is {self.allowed} [{self.requirement}, {self.outcome}]"


@frozen
class Finding:
    """How one section was judged: the outcome taken to be meant, the rules consulted, and what was wrong."""

    outcome: Permitted
    judged: frozenset[str]
    mismatches: tuple[Mismatch, ...]


ABSENT = "(absent)"


def mismatches_of(where: str, permitted: Permitted, values: Values) -> tuple[Mismatch, ...]:
    """The fields of `values` that `permitted` does not allow. Fields that the version does not carry are not judged."""
    wrong = []
    for expect in permitted.expects:
        if expect.field not in values and expect.field != "error":
            continue
        seen = values.get(expect.field, ABSENT)
        if not expect.allowed.admits(seen):
            wrong.append(
                Mismatch(
                    where,
                    expect.field,
                    seen,
                    str(expect.allowed),
                    expect.requirement,
                    expect.vital,
                    permitted.name,
                )
            )
    return tuple(wrong)


def judge(section: Section, values: Values) -> Finding:
    """Hold one section of an answer to its permitted outcomes; the closest of them is the one reported.

    An outcome with no mismatch wins; otherwise the one with the fewest vital mismatches, where the error code
    weighs most: a broker that says "duplicate" with a wrong offset meant "duplicate". Under a wrong error code the
    other fields are those of another outcome, so that they are not judged.
    """

    def distance(permitted: Permitted) -> tuple[int, int, int]:
        wrong = mismatches_of(section.where, permitted, values)
        return (sum(m.field == "error" for m in wrong), sum(m.vital for m in wrong), len(wrong))

    closest = min(section.choices, key=distance)
    mismatches = mismatches_of(section.where, closest, values)
    wrong_error = tuple(mismatch for mismatch in mismatches if mismatch.field == "error")
    judged = frozenset(
        expect.requirement
        for expect in closest.expects
        if expect.field == "error" or (expect.field in values and not wrong_error)
    )
    return Finding(closest, judged, wrong_error or mismatches)


def error(code: ErrorCode, requirement: str) -> Expect:
    """The section's error code must be `code`."""
    return Expect("error", Exactly(code), requirement)


def success(requirement: str) -> Expect:
    """The section must report no error."""
    return error(ErrorCode.NONE, requirement)
