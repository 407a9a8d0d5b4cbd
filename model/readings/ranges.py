"""What values a machine's expressions can come to, for given sizes.

Numbers of columns are no wider than needed; one that does not fit would silently become another.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import field, frozen

from model.language.errors import LanguageError
from model.language.sorts import BOOLEAN
from model.language.symbols import ARITHMETIC, Symbol

Range = tuple[int, int]
"""The least and the most that something can be."""


@frozen
class Ranges:
    """What symbols can come to, by what cells can hold."""

    cells: Mapping[str, Range]
    least: int
    most: int
    """What a column can hold."""
    _found: dict[Symbol, Range] = field(factory=dict)

    def of(self, symbol: Symbol) -> Range:
        """The least and the most that a symbol can be; it is never found to be less wide than it is.

        Raises:
            LanguageError: it, or something that it is made of, is more than columns can hold.
        """
        found = self._found.get(symbol)
        if found is None:
            found = self._found[symbol] = self._of(symbol)
            if found[0] < self.least or found[1] > self.most:
                raise LanguageError(
                    f"what is computed can be {found[0]} to {found[1]}, and columns of these sizes hold"
                    f" {self.least} to {self.most}"
                )
        return found

    def _of(self, symbol: Symbol) -> Range:
        if symbol.op == "const":
            value = int(symbol.args[0])
            return value, value
        if symbol.op == "read":
            name, *keys = symbol.args
            for key in keys:
                self.of(key)
            return self.cells[name]
        parts = [self.of(each) for each in symbol.args]
        if symbol.sort == BOOLEAN:
            return 0, 1
        if symbol.op == "ite":
            return min(parts[1][0], parts[2][0]), max(parts[1][1], parts[2][1])
        one, other = parts
        ends = [ARITHMETIC[symbol.op](this, that) for this in one for that in other]
        return min(ends), max(ends)
