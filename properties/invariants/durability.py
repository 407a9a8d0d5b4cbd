"""What is claimed of `model.machines.durability`: what a flush, a recovery and a checkpoint are worth.

The invariant says, of the log as it is read and of the log that a loss of power would leave, record by record: which
are the same, which are whole, whose names and index entries are on disk, and what stands on what. `anything` is all
there is: there are no assumptions but those that the machine makes of disks and file systems.
"""

from __future__ import annotations

from typing import Any

from model.language import State, allof, anyof, implies, least, no
from model.machines.durability import OFFSET, durability, runs, sizes
from properties.claims import Claims, Clauses, Theorem

SMALL = sizes(log=2, openings=2)
FILES = Clauses()
CHECKPOINTS = Clauses()


def is_kept(s: State, offset: Any) -> Any:
    """Whether a loss of power leaves a record that is whole, and an index entry that leads to it."""
    return allof(s.disk[offset] > 0, offset < s.disk_end, s.is_named[offset], s.disk_points[offset])


def is_on_disk(s: State, offset: Any) -> Any:
    """Whether what is read is what a loss of power leaves."""
    return allof(s.log[offset] == s.disk[offset], s.points[offset], is_kept(s, offset))


def is_synced(s: State, offset: Any) -> Any:
    """Whether a record is on disk that is whole, and its index entry; if its name is, too, is another matter."""
    return allof(
        s.log[offset] > 0,
        s.disk[offset] == s.log[offset],
        offset < s.disk_end,
        s.points[offset],
        s.disk_points[offset],
    )


def synced_is_on_disk(s: State, when: Any) -> Any:
    """When that is so, the records that were synced are on disk, and their index entries."""
    return implies(
        when,
        allof(
            s.synced <= s.end,
            s.synced <= s.disk_end,
            s.every(OFFSET, lambda o: implies(o < s.synced, is_synced(s, o))),
        ),
    )


def markers_are_right(s: State) -> Any:
    """What a marker of a clean stop speaks of is on disk, and no other record."""
    return s.every(
        OFFSET,
        lambda o: allof(
            implies(allof(s.marker, o < s.end), is_on_disk(s, o)),
            implies(allof(s.disk_marker, o < s.disk_end), is_kept(s, o)),
            implies(allof(s.disk_marker, o < s.end), is_on_disk(s, o)),
        ),
    )


# -- the log and its files -------------------------------------------------------------------------------------------


@FILES.add
def a_process_recovers_before_it_serves(s: State) -> Any:
    """No log is open while it is looked through, and the log has been opened."""
    return allof(no(allof(s.serves, s.recovers)), s.opening > 0)


@FILES.add
def nothing_is_less_than_zero(s: State) -> Any:
    """No offset is negative."""
    offsets = (s.end, s.disk_end, s.scanned, s.point, s.beside, s.checkpoint, s.disk_checkpoint)
    return allof(*(each >= 0 for each in offsets))


@FILES.add
def nothing_is_past_the_end(s: State) -> Any:
    """The log has no records past its end."""
    return s.every(OFFSET, lambda o: implies(o >= s.end, allof(s.log[o] == 0, no(s.points[o]))))


@FILES.add
def what_was_looked_through_is_whole(s: State) -> Any:
    """While the log recovers, what was looked through is whole, and lies in the log."""
    return allof(
        implies(s.recovers, s.scanned <= s.end),
        s.every(OFFSET, lambda o: implies(allof(s.recovers, o < s.scanned), s.log[o] > 0)),
    )


@FILES.add
def an_open_log_is_whole(s: State) -> Any:
    """While the log is open, all its records are whole and its index leads to them."""
    return s.every(OFFSET, lambda o: implies(allof(s.serves, o < s.end), allof(s.log[o] > 0, s.points[o])))


@FILES.add
def a_believed_index_leads_to_all_records(s: State) -> Any:
    """While the log recovers and its index is believed, that leads to all records."""
    return s.every(OFFSET, lambda o: implies(allof(s.recovers, s.has_index, o < s.end), s.points[o]))


@FILES.add
def records_are_not_of_the_future(s: State) -> Any:
    """Every record, also on disk, is of an opening that there has been; past the end, or found, of an earlier one."""
    return s.every(
        OFFSET,
        lambda o: allof(
            s.log[o] <= s.opening,
            s.disk[o] <= s.opening,
            implies(allof(o >= s.end, runs(s)), s.disk[o] < s.opening),
            implies(s.recovers, allof(s.log[o] < s.opening, s.disk[o] < s.opening)),
        ),
    )


@FILES.add
def what_is_on_disk_is_the_record_or_nothing(s: State) -> Any:
    """Within the log there is on disk the record or no record; without an open cut there is nothing past the end."""
    return allof(
        implies(allof(runs(s), no(s.cut_is_open)), s.disk_end <= s.end),
        s.every(
            OFFSET,
            lambda o: allof(
                implies(o < s.end, anyof(s.disk[o] == 0, s.disk[o] == s.log[o])),
                implies(allof(o >= s.end, runs(s), no(s.cut_is_open)), s.disk[o] == 0),
            ),
        ),
    )


@FILES.add
def records_stand_on_what_they_were_appended_to(s: State) -> Any:
    """Every record of the log stands on the one that it was appended to, if that is whole."""
    return s.every(
        OFFSET,
        lambda o: implies(
            allof(o > 0, o < s.end, s.log[o] > 0, s.log[o - 1] > 0), s.follows[o, s.log[o]] == s.log[o - 1]
        ),
    )


@FILES.add
def records_on_disk_stand_on_what_they_were_appended_to(s: State) -> Any:
    """So does every record on disk, both on disk and on the log."""
    return s.every(
        OFFSET,
        lambda o: implies(
            allof(o > 0, s.disk[o] > 0),
            allof(
                implies(s.disk[o - 1] > 0, s.follows[o, s.disk[o]] == s.disk[o - 1]),
                implies(allof(o <= s.end, s.log[o - 1] > 0), s.follows[o, s.disk[o]] == s.log[o - 1]),
            ),
        ),
    )


@FILES.add
def names_are_known(s: State) -> Any:
    """Without new names those of all segments are on disk, with them those before; the active one's is if all are."""
    return allof(
        implies(allof(runs(s), no(s.has_new_names)), s.active_is_named),
        implies(allof(runs(s), s.has_new_names), s.named <= s.end),
        s.every(OFFSET, lambda o: implies(allof(runs(s), s.has_new_names, o < s.named), s.is_named[o])),
        s.every(OFFSET, lambda o: implies(allof(s.active_is_named, o < s.end), s.is_named[o])),
    )


@FILES.add
def what_was_synced_is_on_disk(s: State) -> Any:
    """While the process runs, the records that it synced are on disk, and their index entries."""
    return synced_is_on_disk(s, runs(s))


# -- what is believed ------------------------------------------------------------------------------------------------


@CHECKPOINTS.add
def below_the_recovery_point_all_is_on_disk(s: State) -> Any:
    """Below the recovery point everything is on disk."""
    return allof(
        implies(runs(s), s.point <= s.synced),
        s.every(OFFSET, lambda o: implies(allof(runs(s), o < s.point), is_on_disk(s, o))),
    )


@CHECKPOINTS.add
def below_the_checkpoint_all_is_on_disk(s: State) -> Any:
    """Below a checkpoint everything is on disk that the log has, whichever of the two is read next."""
    return allof(
        least(s.checkpoint, s.end) <= s.disk_end,
        s.every(
            OFFSET,
            lambda o: implies(
                anyof(o < s.checkpoint, o < s.disk_checkpoint),
                allof(implies(o < s.end, is_on_disk(s, o)), implies(o < s.disk_end, is_kept(s, o))),
            ),
        ),
    )


@CHECKPOINTS.add
def checkpoints_are_known(s: State) -> Any:
    """Once the directory is known, no checkpoint is past what the process takes for the greatest; all are whole."""
    return allof(
        s.checkpoint_is_whole,
        implies(
            runs(s),
            allof(s.checkpoint <= s.past_point, implies(s.knows_the_directory, s.disk_checkpoint <= s.past_point)),
        ),
    )


@CHECKPOINTS.add
def a_recovery_begins_at_the_checkpoint(s: State) -> Any:
    """While the log recovers nothing was synced past the recovery point; no checkpoint is past it, or the log ends."""
    return implies(s.recovers, allof(s.synced <= s.point, anyof(s.past_point <= s.point, s.end <= s.point)))


@CHECKPOINTS.add
def after_a_clean_stop_all_is_on_disk(s: State) -> Any:
    """While there is a marker, or one on disk, everything that it speaks of is on disk, and nothing else."""
    return allof(
        implies(s.marker, allof(no(runs(s)), s.disk_end == s.end, s.disk_marker, s.active_is_named)),
        markers_are_right(s),
    )


@CHECKPOINTS.add
def a_known_directory_has_no_marker(s: State) -> Any:
    """Once the directory is known, there is no marker on disk."""
    return implies(allof(runs(s), s.knows_the_directory), no(s.disk_marker))


@CHECKPOINTS.add
def promises_are_on_disk(s: State) -> Any:
    """What was said to be flushed is on disk, and is what was there then."""
    return s.every(
        OFFSET,
        lambda o: implies(
            o < s.flushed,
            allof(s.promised[o] > 0, s.log[o] == s.promised[o], s.disk[o] == s.promised[o], s.is_named[o]),
        ),
    )


@CHECKPOINTS.add
def promised_records_are_whole(s: State) -> Any:
    """What was said to be flushed is whole."""
    return s.every(OFFSET, lambda o: implies(o < s.flushed, s.log[o] > 0))


@CHECKPOINTS.add
def promises_are_within_the_log(s: State) -> Any:
    """What was said to be flushed is within the log, also on disk."""
    return allof(s.flushed <= s.end, s.flushed <= s.disk_end)


anything = Claims(
    durability,
    SMALL,
    refuted_at=(sizes(log=1, openings=2), sizes(log=2, openings=3)),
    clauses={**FILES, **CHECKPOINTS},
)
claims = anything

# -- theorems --------------------------------------------------------------------------------------------------------


def flushed_is_kept(s: State) -> Any:
    """What was flushed is in the log, and is what it was."""
    return allof(s.flushed <= s.end, s.every(OFFSET, lambda o: implies(o < s.flushed, s.log[o] == s.promised[o])))


def promises_stay(before: State, after: State) -> Any:
    """What was flushed stays so, until the log is cut there."""
    return before.every(
        OFFSET, lambda o: implies(allof(o < before.flushed, o < after.flushed), after.promised[o] == before.promised[o])
    )


def it_is_a_prefix(s: State) -> Any:
    """An open log is, up to its end, what it was when its last record was appended, and has all that was flushed."""
    return implies(
        s.serves,
        allof(
            s.flushed <= s.end,
            s.every(OFFSET, lambda o: implies(allof(o > 0, o < s.end), s.follows[o, s.log[o]] == s.log[o - 1])),
        ),
    )


def no_bad_record(s: State) -> Any:
    """All that can be read of an open log is whole, and found by its index."""
    return s.every(OFFSET, lambda o: implies(allof(s.serves, o < s.end), allof(s.log[o] > 0, s.points[o])))


anything.theorem(
    Theorem(
        "FLUSHED-KEPT",
        "What was said to be flushed is never lost, whenever the process is killed or the power is lost, but by a cut.",
        of_state=flushed_is_kept,
        of_step=promises_stay,
    )
)
anything.theorem(
    Theorem(
        "RECOVERED-IS-PREFIX",
        "A recovery yields the beginning of a log that was appended, record by record, with all that was flushed.",
        of_state=it_is_a_prefix,
    )
)
anything.theorem(
    Theorem(
        "NO-BAD-RECORD-SERVED",
        "No record is served that is torn, or was never written, and no index leads elsewhere.",
        of_state=no_bad_record,
    )
)

# -- what must be possible -------------------------------------------------------------------------------------------


@anything.sometime
def a_flushed_record_survives(s: State) -> Any:
    """A log is open again after a loss of power, with a record that was flushed."""
    return allof(s.serves, s.flushed > 0, s.opening > 1)


@anything.sometime
def a_record_is_lost(s: State) -> Any:
    """A record that was not flushed is gone after a loss of power."""
    return allof(s.serves, s.opening > 1, s.end == 0, s.follows[1, 1] > 0)


@anything.sometime
def a_record_that_was_not_flushed_survives(s: State) -> Any:
    """A record that was not flushed is there after a loss of power."""
    return allof(s.serves, s.opening > 1, s.flushed == 0, s.end > 0)


@anything.sometime
def there_are_torn_records(s: State) -> Any:
    """A recovery finds a record that is not whole, and a whole one after it."""
    return allof(s.recovers, s.end == 2, s.log[0] == 0, s.log[1] > 0)


@anything.sometime
def a_clean_stop_is_believed(s: State) -> Any:
    """A log is open again after a clean stop, with a record."""
    return allof(s.recovers, s.scanned == s.end, s.end > 0, s.opening > 1, s.checkpoint == 0)


@anything.sometime
def a_cut_log_grows_again(s: State) -> Any:
    """A record is appended where another was cut off."""
    return allof(s.serves, s.end > 0, s.log[0] > 1)
