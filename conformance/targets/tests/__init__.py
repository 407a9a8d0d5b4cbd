"""Tests of the ways to reach an implementation."""
