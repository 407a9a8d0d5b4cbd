"""Fixtures of the suite's own tests."""

from impl.tests.durability import quiet  # noqa: F401  a fixture
