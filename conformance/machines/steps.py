"""Steps: what a generated sequence is made of, as plain data that can be written down and read back.

A step names its kind and gives arguments that are numbers, words, or lists of them. Topics, producers and batches are
meant by their place ("the second topic", "the batch before the last"), never by name, so that a sequence that was
shrunk or written to a file means the same on another target. Every argument means something in every state: a place
wraps around what there is.

A kind says which arguments it takes (Hypothesis strategies), which family of requirements it is about, and how a step
becomes an operation; kinds are registered by the modules `generate_*`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from attrs import frozen
from hypothesis.strategies import SearchStrategy

from model.reference.operations import Operation

if TYPE_CHECKING:
    from conformance.machines.actor import Actor

Arguments = Mapping[str, Any]
Build = Callable[..., Operation | None]


class StepError(Exception):
    """A step can't be read: no such kind, or arguments that it does not take."""


@frozen
class Step:
    """One step of a sequence. `connection` is the place of the connection that it goes over."""

    kind: str
    arguments: Arguments
    connection: int = 0

    def as_data(self) -> dict[str, Any]:
        """This step as JSON data."""
        return {"do": self.kind, **self.arguments, "connection": self.connection}

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Step:
        """A step from JSON data.

        Raises:
            StepError: it is of no known kind, or its arguments are not those of its kind.
        """
        rest = dict(data)
        name = rest.pop("do", None)
        connection = rest.pop("connection", 0)
        kind = KINDS.get(name) if isinstance(name, str) else None
        if kind is None:
            raise StepError(f"no step {name!r}; there are {', '.join(sorted(KINDS))}")
        if rest.keys() != kind.arguments.keys():
            raise StepError(f"{name} takes {', '.join(kind.arguments)}; given were {', '.join(rest)}")
        return cls(kind.name, rest, connection)


@frozen
class Kind:
    """A kind of step."""

    name: str
    families: frozenset[str]
    arguments: Mapping[str, SearchStrategy[Any]]
    build: Build
    about: str


KINDS: dict[str, Kind] = {}
"""Every kind of step, by name."""


def kind(*families: str, **arguments: SearchStrategy[Any]) -> Callable[[Build], Build]:
    """Register a function that makes an operation of an actor and arguments; None if there is nothing to do."""

    def register(build: Build) -> Build:
        name = build.__name__
        KINDS[name] = Kind(name, frozenset(families), arguments, build, (build.__doc__ or "").strip())
        return build

    return register


def operation_of(actor: Actor, step: Step) -> Operation | None:
    """The operation that a step means to this actor now."""
    return KINDS[step.kind].build(actor, **step.arguments)
