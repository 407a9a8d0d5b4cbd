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

from model.language import BOOLEAN, Field, Machine, Sizes, Sort, State, least

OFFSET = Sort("Offset", unit="records")
OPENING = Sort("Opening", unit="openings")

PROCESS, CACHE, DISK = "process", "page cache", "disk"
"""Where things are: what the process keeps in mind, what is read, and what a loss of power leaves."""


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
        "serves": Field(BOOLEAN, "whether the log is open for readers and writers", place=PROCESS),
        "recovers": Field(BOOLEAN, "whether the log was found and is being looked through", place=PROCESS),
        "opening": Field(OPENING, "how often the log was opened or cut", place=PROCESS),
        "scanned": Field(OFFSET, "up to where it has been looked through, or is believed", place=PROCESS),
        "has_index": Field(BOOLEAN, "whether the index is believed: rebuilt, or closed by a clean stop", place=PROCESS),
        "point": Field(OFFSET, "the recovery point: below it all is on disk", place=PROCESS),
        "synced": Field(OFFSET, "up to where records and their index entries were synced", place=PROCESS),
        "cut_is_open": Field(BOOLEAN, "whether the file may be longer on disk than it is", place=PROCESS),
        "has_new_names": Field(BOOLEAN, "whether a segment's name may not be on disk", place=PROCESS),
        "named": Field(OFFSET, "if so, up to where records are in segments whose names are", place=PROCESS),
        "knows_the_directory": Field(
            BOOLEAN, "whether the log directory was synced since the process began", place=PROCESS
        ),
        "past_point": Field(
            OFFSET, "no checkpoint on disk is greater than this, once the directory is known", place=PROCESS
        ),
        # The log's files.
        "end": Field(OFFSET, "log end offset: the length of the file", place=CACHE),
        "log": Field(
            OPENING, "the record at an offset, by the opening in which it was appended", (OFFSET,), place=CACHE
        ),
        "points": Field(BOOLEAN, "whether the index leads to the record", (OFFSET,), place=CACHE),
        "disk_end": Field(OFFSET, "the length of the file on disk", place=DISK),
        "disk": Field(OPENING, "the record on disk", (OFFSET,), place=DISK),
        "disk_points": Field(BOOLEAN, "whether the index on disk leads to the record", (OFFSET,), place=DISK),
        "is_named": Field(BOOLEAN, "whether the name of the record's segment is on disk", (OFFSET,), place=DISK),
        "active_is_named": Field(BOOLEAN, "whether the name of the active segment is on disk", place=DISK),
        # The checkpoint of the recovery point, and the marker of a clean stop.
        "has_beside": Field(BOOLEAN, "whether a checkpoint was written beside the old one", place=CACHE),
        "beside": Field(OFFSET, "what it says", place=CACHE),
        "beside_is_synced": Field(BOOLEAN, "whether it is on disk", place=DISK),
        "checkpoint": Field(OFFSET, "what the checkpoint says", place=CACHE),
        "checkpoint_is_whole": Field(BOOLEAN, "whether all of what it says is on disk, if its name is", place=DISK),
        "disk_checkpoint": Field(OFFSET, "what the checkpoint on disk says", place=DISK),
        "marker": Field(BOOLEAN, "whether there is a marker of a clean stop", place=CACHE),
        "disk_marker": Field(BOOLEAN, "whether there is one on disk", place=DISK),
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


def cut(s: State, end: Any) -> State:
    """The file is cut; on disk it may be as long as before."""
    return s.but(
        end=end,
        log=s.log.where(lambda o: o >= end, lambda _o: 0),
        points=s.points.where(lambda o: o >= end, lambda _o: False),
        synced=least(s.synced, end),
        point=least(s.point, end),
        named=least(s.named, end),
        cut_is_open=True,
    )
