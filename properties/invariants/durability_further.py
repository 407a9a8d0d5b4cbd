"""From what else the theorems about `model.machines.durability` follow: an invariant that three guards do not need.

A log that is not open is told to be flushed to nobody, is not cut, and no checkpoint of it is renamed, for there would
be no sense in it; whether anything broke is another question. This invariant says more of a log that is down, and less
of one that is cut while it is looked through, which then never ends. The theorems are proved of it without these guards
as well.
"""

from __future__ import annotations

from typing import Any

from attrs import evolve

from model.language import State, allof, implies, least, no
from model.machines.durability import OFFSET, runs
from properties.claims import Clauses
from properties.invariants import durability
from properties.invariants.durability import is_synced, markers_are_right, synced_is_on_disk

OTHERWISE = Clauses()
"""Clauses in the place of those of the same names, and further ones."""


@OTHERWISE.add
def what_was_looked_through_is_whole(s: State) -> Any:
    """While the log recovers, what was looked through is whole, as far as there is any."""
    return s.every(OFFSET, lambda o: implies(allof(s.recovers, o < s.scanned, o < s.end), s.log[o] > 0))


@OTHERWISE.add
def after_a_clean_stop_all_is_on_disk(s: State) -> Any:
    """While there is a marker, or one on disk, everything that it speaks of is on disk."""
    return allof(
        implies(s.marker, allof(no(runs(s)), s.end <= s.disk_end, s.disk_marker, s.active_is_named)),
        markers_are_right(s),
    )


@OTHERWISE.add
def names_are_known_also_when_it_is_down(s: State) -> Any:
    """Without new names those of all segments are on disk, with them those before them, whether or not it runs."""
    return allof(
        implies(no(s.has_new_names), s.active_is_named),
        s.every(OFFSET, lambda o: implies(allof(s.has_new_names, o < s.named), s.is_named[o])),
    )


@OTHERWISE.add
def what_was_synced_is_on_disk_also_when_it_is_down(s: State) -> Any:
    """Without new names the records that were synced are on disk, whether or not the process runs."""
    return synced_is_on_disk(s, no(s.has_new_names))


@OTHERWISE.add
def what_was_synced_before_new_names_is_on_disk(s: State) -> Any:
    """With new names the records before them that were synced are on disk, whether or not the process runs."""
    return implies(
        s.has_new_names,
        allof(
            least(s.synced, s.named) <= s.end,
            least(s.synced, s.named) <= s.disk_end,
            s.every(OFFSET, lambda o: implies(allof(o < s.synced, o < s.named), is_synced(s, o))),
        ),
    )


@OTHERWISE.add
def only_an_open_log_has_a_file_beside_its_checkpoint(s: State) -> Any:
    """Only of an open log is there a checkpoint beside the old one."""
    return implies(s.has_beside, s.serves)


further = evolve(durability.anything, clauses={**durability.anything.clauses, **OTHERWISE})
