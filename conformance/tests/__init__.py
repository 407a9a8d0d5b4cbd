"""Tests of the suite: every check shown able to fail."""
