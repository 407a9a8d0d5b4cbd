"""What there is in `model.machines.durability`: the log as the process sees it, and what a loss of power would leave.

Everything that is written goes to the page cache first. From there it reaches the disk whenever the operating system
likes, in any order and any part of it, or when it is synced. So most things are here twice: as they are read (`log`),
and as they would be read after a loss of power (`disk`). What the process keeps in mind is lost when it ends.

A record is known by its offset and by the opening of the log in which it was appended: how often the log had been
opened, or cut, by then. 0 is no record: bytes that were never written, or only in part; the checksum tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.language import BOOLEAN, Field, Machine, Sizes, Sort, State

OFFSET = Sort("Offset", unit="records")
OPENING = Sort("Opening", unit="openings")


def sizes(*, log: int, openings: int) -> Sizes:
    """The sizes of the sorts.

    Args:
        log: the greatest log end offset.
        openings: how often the log is opened or cut, at most; the first time counts.
    """
    return {OFFSET.name: log + 1, OPENING.name: openings + 1}


def _start(_zero: State) -> Mapping[str, Any]:
    """An empty log is open, and all that there is of it is on disk."""
    return {
        "serves": True,
        "opening": 1,
        "active_is_named": True,
        "checkpoint_is_whole": True,
        "knows_the_directory": True,
    }


durability = Machine(
    "durability",
    fields={
        # The process.
        "serves": Field(BOOLEAN, "whether the log is open for readers and writers"),
        "recovers": Field(BOOLEAN, "whether the log was found and is being looked through"),
        "opening": Field(OPENING, "how often the log was opened or cut"),
        "scanned": Field(OFFSET, "up to where it has been looked through, or is believed"),
        "has_index": Field(BOOLEAN, "whether the index is believed: rebuilt, or closed by a clean stop"),
        "point": Field(OFFSET, "the recovery point: below it all is on disk"),
        "synced": Field(OFFSET, "up to where records and their index entries were synced"),
        "cut_is_open": Field(BOOLEAN, "whether the file may be longer on disk than it is"),
        "has_new_names": Field(BOOLEAN, "whether a segment's name may not be on disk"),
        "knows_the_directory": Field(BOOLEAN, "whether the log directory was synced since the process began"),
        "past_point": Field(OFFSET, "no checkpoint on disk is greater than this, once the directory is known"),
        # The log's files.
        "end": Field(OFFSET, "log end offset: the length of the file"),
        "log": Field(OPENING, "the record at an offset, by the opening in which it was appended", (OFFSET,)),
        "points": Field(BOOLEAN, "whether the index leads to the record", (OFFSET,)),
        "disk_end": Field(OFFSET, "the length of the file on disk"),
        "disk": Field(OPENING, "the record on disk", (OFFSET,)),
        "disk_points": Field(BOOLEAN, "whether the index on disk leads to the record", (OFFSET,)),
        "is_named": Field(BOOLEAN, "whether the name of the record's segment is on disk", (OFFSET,)),
        "active_is_named": Field(BOOLEAN, "whether the name of the active segment is on disk"),
        # The checkpoint of the recovery point, and the marker of a clean stop.
        "has_beside": Field(BOOLEAN, "whether a checkpoint was written beside the old one"),
        "beside": Field(OFFSET, "what it says"),
        "beside_is_synced": Field(BOOLEAN, "whether it is on disk"),
        "checkpoint": Field(OFFSET, "what the checkpoint says"),
        "checkpoint_is_whole": Field(BOOLEAN, "whether all of what it says is on disk, if its name is"),
        "disk_checkpoint": Field(OFFSET, "what the checkpoint on disk says"),
        "marker": Field(BOOLEAN, "whether there is a marker of a clean stop"),
        "disk_marker": Field(BOOLEAN, "whether there is one on disk"),
        # History.
        "flushed": Field(OFFSET, "up to where the log was said to be flushed, and not cut since", is_history=True),
        "promised": Field(OPENING, "the record that was there then", (OFFSET,), is_history=True),
        "follows": Field(
            OPENING,
            "the record before, when one was appended; 0: none",
            (OFFSET, OPENING),
            is_history=True,
        ),
    },
    start=_start,
    about="One log on one disk.",
)
