"""Tests with clients that are not Python packages: kcat and kafkajs. Chosen by `-m real`."""
