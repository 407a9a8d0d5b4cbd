"""The words for conditions and choices. They work on Python's values, and on symbols where a text is read.

On Python's values they are what Python has; a machine's text uses them because `and`, `or`, `not` and `if` can't be
read in any other way than by running them.
"""

from __future__ import annotations

from typing import Any

from model.language import symbols
from model.language.symbols import Symbol


def allof(*conditions: Any) -> Any:
    """Whether all of them hold."""
    if any(isinstance(each, Symbol) for each in conditions):
        return symbols.conjunction(conditions)
    return all(conditions)


def anyof(*conditions: Any) -> Any:
    """Whether one of them holds."""
    if any(isinstance(each, Symbol) for each in conditions):
        return symbols.disjunction(conditions)
    return any(conditions)


def no(condition: Any) -> Any:
    """Whether it does not hold."""
    return symbols.negate(condition) if isinstance(condition, Symbol) else not condition


def implies(condition: Any, consequence: Any) -> Any:
    """Whether the consequence holds, or the condition does not."""
    return anyof(no(condition), consequence)


def iff(left: Any, right: Any) -> Any:
    """Whether both conditions hold, or neither."""
    if isinstance(left, Symbol) or isinstance(right, Symbol):
        return symbols.equal(left, right)
    return bool(left) == bool(right)


def ite(condition: Any, then: Any, otherwise: Any) -> Any:
    """One of two values, by a condition. Sets, options, records, sequences and maps are chosen as a whole."""
    if not isinstance(condition, Symbol):
        return then if condition else otherwise
    if symbols.is_known(condition):
        return then if condition is symbols.TRUE else otherwise
    for one, other in ((then, otherwise), (otherwise, then)):
        chosen_by = getattr(type(one), "chosen", None)
        if chosen_by is not None:
            return chosen_by(condition if one is then else no(condition), one, other)
    return symbols.choice(condition, then, otherwise)


def least(left: Any, right: Any) -> Any:
    """The smaller of two values."""
    return ite(left <= right, left, right)


def greatest(left: Any, right: Any) -> Any:
    """The greater of two values."""
    return ite(left <= right, right, left)
