"""Fixtures of the suite's own tests."""

from impl.tests.quiet import quiet  # noqa: F401  a fixture
