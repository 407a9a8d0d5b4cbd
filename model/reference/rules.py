"""Which function of the model states what an operation may answer.

A family's module registers itself with `@rule(OperationClass)`; `allowed` finds it. Whoever asks imports
`model.reference.oracle`, which imports every family.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from attrs import frozen

from model.profiles import Profile
from model.reference.operations import Operation
from model.reference.outcomes import Section
from model.reference.state import Cluster


@frozen
class Context:
    """What surrounds an operation and may decide its answer.

    Times are milliseconds since the epoch on the client's clock, taken before sending and after the answer;
    `clock_slack_ms` is how far the broker's clock may be off. `version` is the API version that was used.
    """

    profile: Profile
    version: int
    sent_ms: int = 0
    answered_ms: int = 0
    clock_slack_ms: int = 5_000
    pipelined: bool = False
    """Whether it was sent before an earlier request of the same connection was answered."""


Rule = Callable[[Cluster, Operation, Context], tuple[Section, ...]]
Operand = TypeVar("Operand", bound=Operation)
Stated = Callable[[Cluster, Operand, Context], tuple[Section, ...]]

_RULES: dict[type[Operation], Rule] = {}


def rule(kind: type[Operand]) -> Callable[[Stated[Operand]], Stated[Operand]]:
    """Register the function that says what operations of this kind may answer.

    It returns a section for the request as a whole (`where` is "request") and then one for each part, in order.
    """

    def register(stated: Stated[Operand]) -> Stated[Operand]:
        def checked(cluster: Cluster, operation: Operation, context: Context) -> tuple[Section, ...]:
            if not isinstance(operation, kind):
                raise TypeError(f"{operation.kind} was given to the rule for {kind.__name__}")
            return stated(cluster, operation, context)

        _RULES[kind] = checked
        return stated

    return register


def allowed(cluster: Cluster, operation: Operation, context: Context) -> tuple[Section, ...]:
    """The sections of an answer to `operation`, and the outcomes permitted for each."""
    return _RULES[type(operation)](cluster, operation, context)
