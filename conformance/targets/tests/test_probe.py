"""What is read of a broker's view of its cluster."""

from __future__ import annotations

import struct

import pytest

from conformance.targets.base import Address
from conformance.targets.probe import View, _Cursor


def string(text: str | None) -> bytes:
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()


def ids(*numbers: int) -> bytes:
    return struct.pack(f">i{len(numbers)}i", len(numbers), *numbers)


def partition(index: int, leader: int, *replicas: int) -> bytes:
    return struct.pack(">hii", 5 if leader < 0 else 0, index, leader) + ids(*replicas) + ids(*replicas[:1])


def topic(name: str, *partitions: bytes) -> bytes:
    return struct.pack(">h", 0) + string(name) + struct.pack(">?i", False, len(partitions)) + b"".join(partitions)


BROKERS = (
    struct.pack(">ii", 2, 7)
    + string("one")
    + struct.pack(">i", 9092)
    + string(None)
    + struct.pack(">i", 8)
    + string("two")
    + struct.pack(">i", 9093)
    + string("rack")
)
ANSWER = BROKERS + struct.pack(">ii", 8, 2) + topic("t", partition(0, 7, 7, 8), partition(1, -1, 8)) + topic("none")


def test_a_view() -> None:
    assert _Cursor(ANSWER).view() == View(
        {7: Address("one", 9092), 8: Address("two", 9093)}, 8, {"t": (7, -1), "none": ()}
    )


@pytest.mark.parametrize("size", [0, 4, 13, len(BROKERS), len(ANSWER) - 1])
def test_an_answer_that_ends_too_early(size: int) -> None:
    with pytest.raises(struct.error):
        _Cursor(ANSWER[:size]).view()
