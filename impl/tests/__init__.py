"""Tests of the bundled broker: its parts, and the whole with clients that nobody here wrote."""
