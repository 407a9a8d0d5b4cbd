"""What befalls the log of `model.machines.durability`: how the page cache reaches the disk, and how a process ends.

Each is an action of its own. Nobody is told when the operating system writes something to the disk; it may do so in
any order, and in part.

Not modelled: disks that lie about a flush, bytes that rot after they were written, operations that fail.

Source: fsync(2) and write(2) say what is promised, ext4's documentation (delayed allocation) what happens.
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, ite, no
from model.machines.durability_state import OFFSET, durability


@durability.action(offset=OFFSET)
def record_reaches_disk(s: State, offset: Any) -> Step:
    """A record is written to the disk.

    Who: the operating system.
    When: at any time.
    Changes: it is on disk; whether the file is long enough there to have it is another matter.
    Source: fsync(2): before it nothing is promised.
    """
    return Step(
        (Guard("the_log_has_it", offset < s.end, safety_critical=True),),
        lambda: s.but(disk=s.disk.set(offset, s.log[offset])),
    )


@durability.action(offset=OFFSET)
def record_is_torn(s: State, offset: Any) -> Step:
    """A part of a record is written to the disk.

    Who: the operating system.
    When: it is not on disk yet.
    Changes: there are bytes on disk that are no record.
    Source: fsync(2): before it nothing is promised.
    """
    return Step(
        (
            Guard("the_log_has_it", offset < s.end, safety_critical=True),
            Guard("it_is_not_on_disk", s.disk[offset] != s.log[offset], safety_critical=True),
        ),
        lambda: s.but(disk=s.disk.set(offset, 0)),
    )


@durability.action(offset=OFFSET)
def index_entry_reaches_disk(s: State, offset: Any) -> Step:
    """An entry of the index is written to the disk.

    Who: the operating system.
    When: at any time, also before the record.
    Changes: it is on disk.
    Source: AbstractIndex (a mapped file).
    """
    return Step(
        (Guard("the_log_has_it", offset < s.end, safety_critical=True),),
        lambda: s.but(disk_points=s.disk_points.set(offset, s.points[offset])),
    )


@durability.action(to=OFFSET)
def length_reaches_disk(s: State, to: Any) -> Step:
    """A length of the file is written to the disk: what it is, or one on the way there.

    Who: the operating system.
    When: at any time, also before what was appended: there are zeros then.
    Changes: the file on disk is so long.
    Source: fsync(2): before it nothing is promised; a file grows, and is cut, in several steps.
    """
    return Step(
        (
            Guard(
                "it_is_on_the_way",
                anyof(allof(s.disk_end < to, to <= s.end), allof(s.end <= to, to < s.disk_end)),
                safety_critical=True,
            ),
        ),
        lambda: s.but(disk_end=to, disk=s.disk.where(lambda o: o >= to, lambda _o: 0)),
    )


@durability.action()
def names_reach_disk(s: State) -> Step:
    """The names of new segments are written to the disk.

    Who: the operating system.
    When: at any time.
    Changes: they are on disk.
    Source: fsync(2): before it nothing is promised.
    """
    return Step(
        (Guard("one_is_not_on_disk", no(s.active_is_named)),),
        lambda: s.but(is_named=s.is_named.where(lambda _o: True, lambda _o: True), active_is_named=True),
    )


@durability.action()
def checkpoint_reaches_disk(s: State) -> Step:
    """The new name of the checkpoint is written to the disk.

    Who: the operating system.
    When: at any time.
    Changes: the checkpoint on disk is the new one.
    Source: fsync(2): before it nothing is promised.
    """
    return Step(
        (Guard("it_is_another", s.disk_checkpoint != s.checkpoint),),
        lambda: s.but(disk_checkpoint=s.checkpoint),
    )


@durability.action()
def marker_reaches_disk(s: State) -> Step:
    """What became of the marker of a clean stop is written to the disk: that it is gone.

    Who: the operating system.
    When: at any time.
    Changes: there is no marker on disk.
    Source: fsync(2): before it nothing is promised.
    """
    return Step(
        (Guard("it_is_another", s.disk_marker != s.marker),),
        lambda: s.but(disk_marker=s.marker),
    )


@durability.action(says=OFFSET)
def checkpoint_is_torn(s: State, says: Any) -> Step:
    """A part of a checkpoint is written to the disk, where its name is.

    Who: the operating system.
    When: its name is on disk before what it says.
    Changes: the checkpoint on disk may say anything.
    Source: fsync(2): before it nothing is promised.
    """
    return Step(
        (Guard("not_all_of_it_is_on_disk", no(s.checkpoint_is_whole), safety_critical=True),),
        lambda: s.but(disk_checkpoint=says),
    )


@durability.action()
def process_is_killed(s: State) -> Step:
    """The process ends, and the operating system goes on.

    Who: anybody.
    When: at any time.
    Changes: what the process kept in mind is gone; all that was written can be read.
    Source: signal(7), SIGKILL.
    """
    return Step(
        (Guard("it_runs", anyof(s.serves, s.recovers)),),
        lambda: s.but(serves=False, recovers=False, has_beside=False),
    )


@durability.action()
def power_is_lost(s: State) -> Step:
    """The power is lost.

    Who: anybody.
    When: at any time.
    Changes: what is read from now on is what is on disk; a record whose segment has no name there can't be read.
    Source: fsync(2): before it nothing is promised.
    """

    def survives(offset: Any) -> Any:
        return allof(offset < s.disk_end, s.is_named[offset])

    def left(offset: Any) -> Any:
        return ite(survives(offset), s.disk[offset], 0)

    return Step(
        (),
        lambda: s.but(
            serves=False,
            recovers=False,
            end=s.disk_end,
            log=s.log.where(lambda _o: True, left),
            disk=s.disk.where(lambda _o: True, left),
            points=s.points.where(lambda _o: True, lambda o: allof(o < s.disk_end, s.disk_points[o])),
            is_named=s.is_named.where(lambda _o: True, lambda _o: True),
            active_is_named=True,
            has_beside=False,
            checkpoint=s.disk_checkpoint,
            checkpoint_is_whole=True,
            marker=s.disk_marker,
        ),
    )
