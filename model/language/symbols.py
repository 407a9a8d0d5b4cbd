"""Symbols: what a machine's text makes when it is read, not run: expressions over a state that nobody knows yet.

The text is run once with symbols in the place of values. Operators and words build an expression of it, with its
sort; what no reading could follow (an `if` on a state's value, a product of two unknowns, offsets compared with
epochs) raises `LanguageError` at that line. Equal expressions are one object, and those that need no state to be
known are worked out at once: a text that is read with given replicas leaves short expressions.

Not here: sets, options, records and maps (`model.language.structures`); they are made of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from weakref import WeakValueDictionary

from model.language.errors import LanguageError
from model.language.sorts import BOOLEAN, NUMBER, Sort

_KNOWN: WeakValueDictionary[tuple[Any, ...], Symbol] = WeakValueDictionary()

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "lt": lambda a, b: bool(a < b),
    "le": lambda a, b: bool(a <= b),
}
ARITHMETIC: dict[str, Callable[[Any, Any], int]] = {
    "add": lambda a, b: int(a + b),
    "sub": lambda a, b: int(a - b),
    "mul": lambda a, b: int(a * b),
}


class Symbol:
    """An expression; `op` says how it is made of `args`.

    - `const` (value), `parameter` (name), `bound` (name): a value, an action's argument, a quantifier's variable;
    - `read` (cell, *keys): a cell of the state before the step;
    - `and`, `or` (two or more), `not`, `ite`, `eq`, `lt`, `le`, `add`, `sub`, `mul`;
    - `every`, `some` (bound variable, body), `at_least` (bound variable, body, number).

    """

    __slots__ = ("__weakref__", "args", "op", "sort")

    op: str
    args: tuple[Any, ...]
    sort: Sort

    def __repr__(self) -> str:
        if self.op == "const":
            return str(self.args[0])
        if self.op in ("parameter", "bound"):
            return str(self.args[0])
        return f"{self.op}({', '.join(map(repr, self.args))})"

    # -- what Python would do with it, and no reading could follow ---------------------------------------------------

    def __bool__(self) -> bool:
        raise LanguageError(
            "a state's value can't decide an `if`, `and`, `or`, `not` or a chained comparison here: say allof, anyof,"
            " no, ite, or two comparisons"
        )

    def __iter__(self) -> Any:
        raise LanguageError("a state's value can't be looped over: say every or some")

    def __index__(self) -> int:
        raise LanguageError("a state's value can't be made a Python number")

    def __contains__(self, _value: object) -> bool:
        raise LanguageError("say members.has(value) for value in members")

    # -- operators ---------------------------------------------------------------------------------------------------

    def __hash__(self) -> int:
        return id(self) >> 4

    def __eq__(self, other: object) -> Any:
        if not isinstance(other, int | Symbol):
            return NotImplemented
        return equal(self, other)

    def __ne__(self, other: object) -> Any:
        if not isinstance(other, int | Symbol):
            return NotImplemented
        return negate(equal(self, other))

    def __lt__(self, other: Any) -> Any:
        return compare("lt", self, other)

    def __gt__(self, other: Any) -> Any:
        return compare("lt", other, self)

    def __le__(self, other: Any) -> Any:
        return compare("le", self, other)

    def __ge__(self, other: Any) -> Any:
        return compare("le", other, self)

    def __add__(self, other: Any) -> Any:
        return arithmetic("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return arithmetic("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return arithmetic("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return arithmetic("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return arithmetic("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return arithmetic("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        raise LanguageError("there is no division")

    __floordiv__ = __mod__ = __rtruediv__ = __rfloordiv__ = __rmod__ = __truediv__


def make(op: str, args: tuple[Any, ...], sort: Sort) -> Symbol:
    """The one symbol that is made so."""
    # By identity for symbols; by type for values, as 1 and True are equal and not the same.
    key = (op, sort, *((id(arg),) if isinstance(arg, Symbol) else (type(arg), arg) for arg in args))
    known = _KNOWN.get(key)
    if known is None:
        known = Symbol.__new__(Symbol)
        known.op, known.args, known.sort = op, args, sort
        _KNOWN[key] = known
    return known


def const(value: Any, sort: Sort | None = None) -> Symbol:
    """A known value."""
    if isinstance(value, bool):
        return make("const", (value,), BOOLEAN)
    return make("const", (value,), sort or NUMBER)


TRUE = const(value=True)
FALSE = const(value=False)


def lifted(value: Any) -> Symbol:
    """A value of a text as a symbol: symbols as they are, Python's numbers and truth values as known ones.

    Raises:
        LanguageError: it is neither.
    """
    if isinstance(value, Symbol):
        return value
    if isinstance(value, int):
        return const(value)
    raise LanguageError(f"{value!r} is neither a number, a truth value nor a value of the state")


def is_known(symbol: Symbol) -> bool:
    """Whether its value does not depend on the state."""
    return symbol.op == "const"


def _boolean(value: Any) -> Symbol:
    symbol = lifted(value)
    if symbol.sort != BOOLEAN:
        raise LanguageError(f"a {symbol.sort.name} where a truth value is meant: {symbol!r}")
    return symbol


def _common(left: Symbol, right: Symbol, *, ordered: bool) -> Sort:
    """The sort in which two values meet."""
    one, other = left.sort, right.sort
    if ordered and (one.is_named or other.is_named or BOOLEAN in (one, other)):
        raise LanguageError(f"values of {one.name} and {other.name} have no order and no arithmetic")
    if one is NUMBER or one == NUMBER:
        return other
    if other == NUMBER or one.measure == other.measure:
        return one
    raise LanguageError(f"{one.name} ({one.measure}) and {other.name} ({other.measure}) can't be compared or added")


def _alike(one: Symbol, other: Symbol) -> tuple[Symbol, Symbol]:
    """Two values that can be compared; a bare number is taken for a value of the other's sort if that is named."""
    sort = _common(one, other, ordered=False)
    if sort.is_named:
        for each in (one, other):
            if each.sort == NUMBER and is_known(each) and each.args[0] != 0:  # 0 is what is read where there is none
                raise LanguageError(f"no {sort.name} has a number: {each.args[0]} is none of them")
        one, other = (const(each.args[0], sort) if each.sort == NUMBER else each for each in (one, other))
    return one, other


def conjunction(conditions: tuple[Any, ...]) -> Symbol:
    """All of them; one that is part of another conjunction is taken as one of it."""
    return _junction("and", conditions, neutral=TRUE, ending=FALSE)


def disjunction(conditions: tuple[Any, ...]) -> Symbol:
    """One of them."""
    return _junction("or", conditions, neutral=FALSE, ending=TRUE)


def _junction(op: str, conditions: tuple[Any, ...], neutral: Symbol, ending: Symbol) -> Symbol:
    found: dict[Symbol, None] = {}
    for each in map(_boolean, conditions):
        if each is ending:
            return ending
        found.update(dict.fromkeys(each.args if each.op == op else (each,)))
    found.pop(neutral, None)
    if not found:
        return neutral
    parts = tuple(found)
    return parts[0] if len(parts) == 1 else make(op, parts, BOOLEAN)


def negate(condition: Any) -> Symbol:
    """Not it."""
    symbol = _boolean(condition)
    if symbol is TRUE or symbol is FALSE:
        return FALSE if symbol is TRUE else TRUE
    return symbol.args[0] if symbol.op == "not" else make("not", (symbol,), BOOLEAN)


def equal(left: Any, right: Any) -> Symbol:
    """Whether both are the same."""
    one, other = _alike(lifted(left), lifted(right))
    if one is other:
        return TRUE
    if is_known(one) and is_known(other):
        return const(one.args[0] == other.args[0])
    if one.sort == BOOLEAN:
        for known, unknown in ((one, other), (other, one)):
            if is_known(known):
                return unknown if known is TRUE else negate(unknown)
    if is_known(one):
        one, other = other, one
    return make("eq", (one, other), BOOLEAN)


def compare(op: str, left: Any, right: Any) -> Symbol:
    """Whether one comes before the other (`lt`), or is not after it (`le`)."""
    one, other = lifted(left), lifted(right)
    _common(one, other, ordered=True)
    if is_known(one) and is_known(other):
        return const(COMPARISONS[op](one.args[0], other.args[0]))
    if one is other:
        return const(op == "le")
    return make(op, (one, other), BOOLEAN)


def arithmetic(op: str, left: Any, right: Any) -> Symbol:
    """A sum, a difference, or a multiple."""
    one, other = lifted(left), lifted(right)
    sort = _common(one, other, ordered=True)
    if is_known(one) and is_known(other):
        return const(ARITHMETIC[op](one.args[0], other.args[0]), sort)
    if op == "mul" and not (is_known(one) or is_known(other)):
        raise LanguageError("a product of two values of the state can't be proved anything about")
    if op in ("add", "sub") and is_known(other) and other.args[0] == 0:
        return one
    if op == "add" and is_known(one) and one.args[0] == 0:
        return other
    return make(op, (one, other), sort)


def choice(condition: Any, then: Any, otherwise: Any) -> Symbol:
    """One of two values."""
    decided, (one, other) = _boolean(condition), _alike(lifted(then), lifted(otherwise))
    sort = _common(one, other, ordered=False)
    if is_known(decided):
        return one if decided is TRUE else other
    if one is other:
        return one
    if sort == BOOLEAN:
        if one is TRUE or other is FALSE:
            return disjunction((decided, other)) if one is TRUE else conjunction((decided, one))
        if one is FALSE or other is TRUE:
            return conjunction((negate(decided), other)) if one is FALSE else disjunction((negate(decided), one))
    return make("ite", (decided, one, other), sort)


_NUMBERED = [0]


def fresh(sort: Sort) -> Symbol:
    """A variable for a quantifier, unlike any other."""
    _NUMBERED[0] += 1
    return make("bound", (f"{sort.name.lower()}_{_NUMBERED[0]}",), sort)


def quantified(op: str, sort: Sort, predicate: Callable[[Any], Any]) -> Symbol:
    """`every` or `some` value of a sort."""
    variable = fresh(sort)
    body = _boolean(predicate(variable))
    if is_known(body):
        return body  # no sort is empty
    return make(op, (variable, body), BOOLEAN)


def at_least(number: Any, sort: Sort, predicate: Callable[[Any], Any]) -> Symbol:
    """Whether something holds for at least so many values of a sort.

    Of any number of values this can be said of one set in one state only, not of one for each value of a quantifier's
    variable or of a map's key: on terms it is a condition, not a count.

    Raises:
        LanguageError: it depends on such a variable.
    """
    variable = fresh(sort)
    made = make("at_least", (variable, _boolean(predicate(variable)), lifted(number)), BOOLEAN)
    if _unbound(made):
        raise LanguageError(
            "what at_least counts can't depend on the variable of an every, some, set, map or other at_least around it:"
            " keep it in a field"
        )
    return made


def _unbound(symbol: Symbol) -> set[Symbol]:
    """The variables that a symbol depends on and that no quantifier in it binds. No two quantifiers share one."""
    inside = list(symbols_in(symbol))
    bound = {each.args[0] for each in inside if each.op in ("every", "some", "at_least")}
    return {each for each in inside if each.op == "bound"} - bound


def alike(one: Symbol, other: Symbol) -> bool:
    """Whether two symbols say the same; what the variables of their quantifiers are called does not matter."""
    names: dict[Symbol, Symbol] = {}
    seen: set[tuple[int, int]] = set()
    left: list[tuple[Any, Any]] = [(one, other)]
    while left:
        this, that = left.pop()
        if this is that or (id(this), id(that)) in seen:
            continue
        seen.add((id(this), id(that)))
        if not (isinstance(this, Symbol) and isinstance(that, Symbol)):
            if type(this) is not type(that) or this != that:
                return False
        elif this.op == "bound":
            if names.get(this) is not that:
                return False
        elif (this.op, this.sort, len(this.args)) != (that.op, that.sort, len(that.args)):
            return False
        else:
            if this.op in ("every", "some", "at_least"):
                if this.args[0].sort != that.args[0].sort:
                    return False
                names[this.args[0]] = that.args[0]
            left.extend(zip(this.args, that.args, strict=True))
    return True


def symbols_in(symbol: Symbol) -> Iterator[Symbol]:
    """A symbol and all that it is made of, each once."""
    seen: set[int] = set()
    left: list[Any] = [symbol]
    while left:
        each = left.pop()
        if isinstance(each, Symbol) and id(each) not in seen:
            seen.add(id(each))
            yield each
            left.extend(each.args)
