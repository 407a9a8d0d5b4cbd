"""The two loops of `scan`, compiled: for logs of so many small batches that Python's own pace is what is waited for.

They do what `scan.ends_of_whole` and `scan.far_enough` do, and are tested beside them. The checksum is the processor's
own instruction (SSE 4.2), eight bytes at a time; where there is none, `is_possible` says so. Loading this module loads
Numba; what was compiled is kept on disk. All that is worth it only for much work.
"""

from __future__ import annotations

import platform
from collections.abc import Callable
from typing import Any, Final, TypeVar

import numpy as np
from llvmlite import binding, ir
from numba import njit, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from impl.storage.batch import CHECKED_FROM, CRC_POSITION, HEADER_SIZE, LOG_OVERHEAD, SIZE_POSITION

_F = TypeVar("_F", bound=Callable[..., Any])
_WORD: Final = 8
_ALL_ONES: Final = 0xFFFFFFFF
_WIDE: Final = ir.IntType(64)
_NARROW: Final = ir.IntType(32)
_BYTE: Final = ir.IntType(8)


def _compiled(function: _F) -> _F:
    """A function that is compiled when it is first called, and kept on disk."""
    made: _F = njit(nogil=True, cache=True)(function)
    return made


def _instruction(function: Callable[..., Any]) -> Any:
    """A function whose code is written by hand, for compiled ones to call with all arguments but the context."""
    return intrinsic(function)


def is_possible() -> bool:
    """Whether the processor has the instruction."""
    features = binding.get_host_cpu_features()
    return platform.machine() in {"x86_64", "AMD64"} and bool(features.get("sse4.2", False))


def _loaded(builder: Any, address: Any, kind: Any) -> Any:
    """What is at an address, which may be any."""
    return builder.load(builder.inttoptr(address, kind.as_pointer()), align=1)


@_instruction
def _take_word(_context: Any, _crc: Any, _address: Any) -> Any:
    """The checksum after eight more bytes."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        shape = ir.FunctionType(_WIDE, [_WIDE, _WIDE])
        take = builder.module.declare_intrinsic("llvm.x86.sse42.crc32.64.64", (), shape)
        return builder.call(take, [arguments[0], _loaded(builder, arguments[1], _WIDE)])

    return types.uint64(types.uint64, types.int64), generate


@_instruction
def _take_byte(_context: Any, _crc: Any, _address: Any) -> Any:
    """The checksum after one more byte."""

    def generate(_: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        shape = ir.FunctionType(_NARROW, [_NARROW, _BYTE])
        take = builder.module.declare_intrinsic("llvm.x86.sse42.crc32.32.8", (), shape)
        narrow = builder.call(take, [builder.trunc(arguments[0], _NARROW), _loaded(builder, arguments[1], _BYTE)])
        return builder.zext(narrow, _WIDE)

    return types.uint64(types.uint64, types.int64), generate


@_compiled
def _number(window: Any, at: int) -> Any:  # pragma: no cover  compiled
    """Four bytes, as a number without a sign."""
    first, second, third = np.int64(window[at]), np.int64(window[at + 1]), np.int64(window[at + 2])
    return (first << 24) | (second << 16) | (third << 8) | np.int64(window[at + 3])


@_compiled
def _checksum(window: Any, begin: int, end: int) -> Any:  # pragma: no cover  compiled
    """The CRC-32C of some of the bytes."""
    crc = np.uint64(_ALL_ONES)
    address, last = np.int64(window.ctypes.data) + begin, np.int64(window.ctypes.data) + end
    while address + _WORD <= last:
        crc = _take_word(crc, address)
        address += _WORD
    while address < last:
        crc = _take_byte(crc, address)
        address += 1
    return np.int64(crc) ^ _ALL_ONES


@_compiled
def _ends(window: Any, ends: Any) -> Any:  # pragma: no cover  compiled
    """Write where batches end that are whole and unchanged; how many there are."""
    begin = count = 0
    while begin + HEADER_SIZE <= window.size:
        length = _number(window, begin + SIZE_POSITION)
        end = begin + LOG_OVERHEAD + length
        if end < begin + HEADER_SIZE or end > window.size:
            break
        if _checksum(window, begin + CHECKED_FROM, end) != _number(window, begin + CRC_POSITION):
            break
        ends[count] = begin = end
        count += 1
    return count


@_compiled
def _chosen(ends: Any, waited: int, interval: int, chosen: Any) -> Any:  # pragma: no cover  compiled
    """Write which batches have entries; how many there are, and where the last one that has one begins."""
    count, last = 0, -waited
    for batch in range(ends.size - 1):
        if ends[batch] - last > interval:
            chosen[count] = batch
            count += 1
            last = ends[batch]
    return count, last


def ends_of_whole(window: memoryview) -> list[int]:
    """See `scan.ends_of_whole`."""
    ends = np.empty(len(window) // HEADER_SIZE + 1, np.int64)
    ends[0] = 0
    count = _ends(np.frombuffer(window, np.uint8), ends[1:])
    found: list[int] = ends[: count + 1].tolist()
    return found


def far_enough(ends: list[int], waited: int, interval: int) -> tuple[NDArray[np.int64], int]:
    """See `scan.far_enough`."""
    chosen = np.empty(len(ends), np.int64)
    count, last = _chosen(np.array(ends), waited, interval, chosen)
    return chosen[:count], int(last)
