"""Histories of `durability` that are made of others, and which ones a deep run draws."""

import os
from collections.abc import Sequence
from random import Random
from typing import Final

import attrs

from impl.tests.durability import Append, End, Step

FIRST_SEED: Final = "TIDEGAUGE_SEED"


def first_seed() -> int:
    """The seed of the first history of a deep run, from the environment: other runs may try others."""
    return int(os.environ.get(FIRST_SEED, "0"))


def with_transactions(random: Random, history: Sequence[Step]) -> list[Step]:
    """A history with some of its batches in transactions, of which most are ended."""
    mixed: list[Step] = []
    for step in history:
        if not isinstance(step, Append) or not step.producer:
            mixed.append(step)
            continue
        mixed.append(attrs.evolve(step, is_transactional=random.random() < 0.8))
        if random.random() < 0.4:
            mixed.append(End(step.producer, aborts=random.random() < 0.6))
    return mixed
