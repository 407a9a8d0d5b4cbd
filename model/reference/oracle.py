"""The model's one door for the suite: what an operation may answer.

Importing this module registers every family's rules; `allowed` finds the one for an operation.
"""

from model.reference import (  # noqa: F401  importing them registers their rules
    api_versions,
    configs,
    deletion,
    described,
    disk_rules,
    epochs,
    framing,
    groups,
    housekeeping,
    log,
    metadata,
    offsets,
    partition_counts,
    partitioning,
    producer_ids,
    reading,
    sessions,
    topics,
    unanswered,
)
from model.reference.rules import Context, allowed

__all__ = ["Context", "allowed"]
