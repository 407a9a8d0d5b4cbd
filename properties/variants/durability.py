"""Variants of `model.machines.durability`: what goes wrong without each of the things that keep a log on its disk.

The named ones are mistakes that somebody made, or could; the others leave out a guard that is critical, by the name
`durability/ACTION.GUARD`. All are found by exploration in small logs; none is in the pages of counterexamples yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from model.machines.durability import durability, sizes
from properties.refute.variants import variants
from properties.variants.changes import Change, LeftOut
from properties.variants.variant import History, Kind, Search, Variant

ANYTHING = "properties.invariants.durability:anything"
ONE, TWO, LATER = (sizes(log=log, openings=openings) for log, openings in ((1, 2), (2, 2), (2, 3)))
GROWING = tuple(Search(ANYTHING, each) for each in (ONE, TWO, LATER))


def _design(name: str, about: str, history: History, *changes: Change) -> Variant:
    return Variant(name, about, Kind.DESIGN, changes, GROWING, history=history)


NEVER = "never"
DESIGNS = (
    _design(
        "no-crc-check",
        "A recovery takes whatever bytes it finds for records.",
        History(NEVER, "LogSegment.recover; RecordBatch.ensureValid"),
        LeftOut("recovery_checks", "the_checksum_is_right"),
    ),
    _design(
        "index-trusted",
        "After a stop that was not clean the index is believed as it is found.",
        History(NEVER, "LogSegment.recover (the indexes are reset first)"),
        LeftOut("recovery_ends", "the_index_is_believed"),
    ),
    _design(
        "recovery-point-before-flush",
        "The recovery point rises before the records are on disk.",
        History(NEVER, "UnifiedLog.flush; LogLoader.recoverLog's last comment"),
        LeftOut("recovery_point_rises", "the_records_are_on_disk"),
    ),
    _design(
        "segment-without-directory-sync",
        "A flush syncs a new segment's file and not the directory that has its name.",
        History("until 3.0.0 (KAFKA-3968)", "KAFKA-3968; LocalLog.flush"),
        LeftOut("recovery_point_rises", "the_names_are_on_disk"),
    ),
    _design(
        "checkpoint-in-place",
        "A checkpoint's name leads to bytes that are not on disk: it is written in place, or not synced before it is"
        " renamed.",
        History(NEVER, "CheckpointFile.write"),
        LeftOut("checkpoint_is_renamed", "what_it_says_is_on_disk"),
    ),
    _design(
        "rename-without-directory-sync",
        "A log is cut, and a lower checkpoint renamed, but the directory not synced: the higher one comes back.",
        History("until 3.0.0 (KAFKA-3968)", "KAFKA-3968; Utils.atomicMoveWithFallback"),
        LeftOut("records_are_appended", "no_checkpoint_is_past_what_is_synced"),
    ),
    _design(
        "marker-comes-back",
        "The marker of a clean stop is removed, but the directory not synced: a loss of power brings it back.",
        History("still, where the file system does not keep the order", "CleanShutdownFileHandler.delete; KAFKA-10471"),
        LeftOut("records_are_appended", "the_directory_is_on_disk"),
    ),
    _design(
        "cut-not-synced",
        "A log is cut and grows again before the cut is on disk: after a loss of power an old record stands on a new.",
        History("still, where the file system does not keep the order", "FileRecords.truncateTo"),
        LeftOut("records_are_appended", "the_cut_is_on_disk"),
    ),
    _design(
        "marker-before-flush",
        "The marker of a clean stop is written before the records are on disk.",
        History(NEVER, "LogManager.shutdown"),
        LeftOut("process_stops", "the_records_are_on_disk"),
    ),
)


@cache
def of_durability() -> Mapping[str, Variant]:
    """Every variant of the machine by name."""
    return {each.name: each for each in (*DESIGNS, *_guards())}


def _guards() -> Iterator[Variant]:
    for left_out in variants(durability).values():
        if left_out.safety_critical and left_out.conjunct is None:
            action, guard = left_out.action.replace("_", " "), left_out.guard.replace("_", " ")
            about = f"{action.capitalize()}, and “{guard}” is not asked for."
            yield Variant(f"durability/{left_out.name}", about, Kind.GUARD, (left_out,), GROWING)
