"""The model's partitioner against Kafka's own vectors and the partitioners of real clients."""

from __future__ import annotations

import importlib
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.reference.partitioning import expected_share_moved, moved, murmur2, partition_for_key, to_positive

with warnings.catch_warnings():
    # kafka-python reads its schemas by a function that newer Pythons frown upon.
    warnings.simplefilter("ignore", DeprecationWarning)
    kafka_python = importlib.import_module("kafka.partitioner.default")

VECTORS = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}
"""Apache Kafka, UtilsTest.testMurmur2."""


@pytest.mark.parametrize(("key", "hashed"), VECTORS.items())
def test_murmur2_gives_the_hashes_of_kafkas_own_test(key: bytes, hashed: int) -> None:
    assert murmur2(key) == hashed


@given(st.binary(max_size=40))
def test_murmur2_agrees_with_kafka_python(key: bytes) -> None:
    assert murmur2(key) & 0xFFFFFFFF == kafka_python.murmur2(key) & 0xFFFFFFFF


@given(st.binary(max_size=40))
def test_murmur2_agrees_with_aiokafka(key: bytes) -> None:
    aiokafka = pytest.importorskip("aiokafka.partitioner")
    assert murmur2(key) & 0xFFFFFFFF == aiokafka.murmur2(key) & 0xFFFFFFFF


def test_to_positive_drops_the_sign_bit_and_is_not_the_absolute_value() -> None:
    assert to_positive(-1) == 2**31 - 1
    assert to_positive(-(2**31)) == 0
    assert to_positive(5) == 5


@given(st.binary(max_size=20), st.integers(1, 1000))
def test_partitions_are_within_the_count(key: bytes, partitions: int) -> None:
    assert 0 <= partition_for_key(key, partitions) < partitions


def test_moved_keys_are_those_whose_partition_changes() -> None:
    keys = [b"key-%d" % number for number in range(1000)]
    gone = set(moved(keys, 6, 12))
    for key in keys:
        assert (partition_for_key(key, 6) != partition_for_key(key, 12)) == (key in gone)
    assert moved(keys, 6, 6) == ()


@pytest.mark.parametrize(("before", "after", "share"), [(3, 4, 0.75), (6, 12, 0.5), (12, 24, 0.5), (5, 5, 0.0)])
def test_expected_share_moved_is_what_happens_to_many_keys(before: int, after: int, share: float) -> None:
    keys = [b"key-%d" % number for number in range(20_000)]
    assert expected_share_moved(before, after) == pytest.approx(share)
    assert len(moved(keys, before, after)) / len(keys) == pytest.approx(share, abs=0.02)
