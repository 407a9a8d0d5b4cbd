"""How functions are compiled.

What is kept on disk is made again only when the file of the function has changed, not when another file has. So a
function and all the compiled ones that it calls stay in one file, and so do the numbers that are compiled into it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def native(function: _F) -> _F:
    """A function that is compiled when it is first called, and kept on disk."""
    made: _F = njit(nogil=True, cache=True)(function)
    return made
