"""Variants of `model.machines.durability`: what goes wrong without each of the things that keep a log on its disk.

The named ones are mistakes that somebody made, or could. The others leave out a guard each, by the name
`durability/ACTION.GUARD` (`properties.refute.catalogue` makes them; no guard has several conjuncts). What breaks is
found by exploration in small logs; of the others the theorems are proved without the guard.
"""

from __future__ import annotations

from collections.abc import Mapping

from model.machines.durability import sizes
from properties.variants.changes import Change, LeftOut
from properties.variants.variant import History, Kind, Search, Variant

ANYTHING = "properties.invariants.durability:anything"
FURTHER = "properties.invariants.durability_further:further"
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

PROVED_IN: Mapping[str, str] = {
    f"durability/{each}.it_is_open": FURTHER for each in ("recovery_point_rises", "log_is_cut", "checkpoint_is_renamed")
}
"""Where the theorems are proved without a guard, if not by the invariant that is usually claimed."""

_NOBODY = "who is down does nothing"
_NOTHING = "there would be nothing to do"
_RECOVERED = "who does not recover looks nothing through"

KEPT: Mapping[str, str] = {
    f"durability/{name}": why
    for name, why in {
        "names_reach_disk.one_is_not_on_disk": _NOTHING,
        "checkpoint_reaches_disk.it_is_another": _NOTHING,
        "marker_reaches_disk.it_is_another": _NOTHING,
        "process_is_killed.it_runs": "who is down has nothing more to lose by it",
        "segments_are_synced.it_runs": _NOBODY,
        "directory_is_synced.it_runs": _NOBODY,
        "log_directory_is_synced.it_runs": _NOBODY,
        "recovery_point_rises.it_is_open": "nobody asks a log that is not open to flush; what it synced is on disk",
        "recovery_point_rises.it_is_higher": "a lower one says less, and only has more looked through",
        "recovery_point_rises.the_log_has_it": "what was synced is in the log",
        "log_is_cut.it_is_open": (
            "nobody asks a log that is not open to be cut; a recovery that is past the end would never end"
        ),
        "checkpoint_is_written.it_is_open": f"{_NOBODY}, and a recovery point holds also while the log recovers",
        "checkpoint_is_synced.it_is_open": f"{_NOBODY}, and what is synced is no less true",
        "checkpoint_is_synced.it_was_written": _NOTHING,
        "checkpoint_is_renamed.it_is_open": "only an open log has a file beside its checkpoint",
        "checkpoint_is_renamed.it_was_written": "there is no file then; an older one that was synced would be as true",
        "recovery_checks.it_recovers": _RECOVERED,
        "recovery_checks.there_is_more": "past the end there is no record that could be whole",
        "recovery_cuts.it_recovers": _RECOVERED,
        "recovery_cuts.there_is_more": _NOTHING,
    }.items()
}
"""Why a guard is kept without which all is proved: a clause that goes on after “because”."""
