"""One log on one disk: what an append, a flush and a checkpoint promise when the power may be lost at any moment.

A flush syncs the segments' files and their indexes, then the directory that has their names; only then does the
recovery point rise. The recovery point is kept in a checkpoint, which is written beside the old one, synced, renamed,
and the directory synced. After a stop that was not clean the log is looked through from the recovery point on, cut at
the first record that is not whole, and its index is rebuilt; what is below the recovery point is believed. After a
clean stop, of which there is a marker, all is believed.

What the disk does is in `model.machines.durability_disk`, what is held twice in `model.machines.durability_state`.

Modelled: torn and reordered writes of records, index entries, lengths, names and checkpoints; kills, losses of power at
any moment, recovery from recovery. A record here is a batch in Kafka. Not modelled: bytes that rot after they were
synced, a sync that fails (after it the process must end: nothing more is known), several disks, deletion and
compaction, names that reach the disk in another order than they were made.

Kafka does less: it does not sync a file that it has cut, nor the directory when it removes the marker, nor before it
makes an index anew (`records_are_appended.the_cut_is_on_disk`, `.the_directory_is_on_disk`,
`index_is_rebuilt.the_directory_is_on_disk`). It leans on file systems that keep the order of what is done to names and
lengths.

Source: LogSegment.java, LocalLog.flush, UnifiedLog.flush, LogLoader.recoverLog, CheckpointFile.java, LogManager.scala
(3.9).
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, greatest, ite, least, no
from model.machines import durability_disk
from model.machines.durability_state import OFFSET, OPENING, cut, durability, sizes

__all__ = ["OFFSET", "OPENING", "durability", "durability_disk", "sizes"]


def runs(s: State) -> Any:
    """Whether the process runs."""
    return anyof(s.serves, s.recovers)


# -- appends and flushes ---------------------------------------------------------------------------------------------


@durability.action()
def records_are_appended(s: State) -> Step:
    """A record is appended.

    Who: the process.
    When: the log is open, and nothing that is on disk from before can be taken for the record or vouch for it.
    Changes: the record and its index entry are in the page cache.
    Source: LogSegment.append; Kafka does not wait for a cut, or for the directory, to be on disk.
    """
    before = ite(s.end == 0, 0, s.log[s.end - 1])
    return Step(
        (
            Guard("it_is_open", s.serves, safety_critical=True),
            Guard("the_cut_is_on_disk", no(s.cut_is_open), safety_critical=True),
            Guard("the_directory_is_on_disk", s.knows_the_directory, safety_critical=True),
            Guard("no_checkpoint_is_past_what_is_synced", s.past_point <= s.synced, safety_critical=True),
        ),
        lambda: s.but(
            end=s.end + 1,
            log=s.log.set(s.end, s.opening),
            points=s.points.set(s.end, True),
            disk_points=s.disk_points.set(s.end, False),
            is_named=s.is_named.set(s.end, s.active_is_named),
            follows=s.follows.set((s.end, s.opening), before),
        ),
    )


@durability.action()
def segment_is_rolled(s: State) -> Step:
    """A new segment begins.

    Who: the process.
    When: the log is open.
    Changes: what is appended from now on is in a new file, whose name is not on disk yet.
    Source: LocalLog.roll.
    """
    return Step(
        (Guard("it_is_open", s.serves, safety_critical=True),),
        lambda: s.but(active_is_named=False, has_new_names=True, named=ite(s.has_new_names, s.named, s.end)),
    )


@durability.action(since=OFFSET, to=OFFSET)
def segments_are_synced(s: State, since: Any, to: Any) -> Step:
    """Some of the segments' files and their indexes are synced.

    Who: the process, by `flush.messages`, `flush.ms`, after a roll, before a clean stop, or after a recovery.
    When: at any time.
    Changes: what these segments have is on disk, if their names are; a cut is, if the last one is among them.
    Source: LogSegment.flush, LocalLog.flush (the segments between the recovery point and an offset).
    """
    has_last = to == s.end

    def is_synced(offset: Any) -> Any:
        return anyof(allof(since <= offset, offset < to), allof(has_last, offset >= to))

    return Step(
        (Guard("it_runs", runs(s)), Guard("the_log_has_it", to <= s.end, safety_critical=True)),
        lambda: s.but(
            disk=s.disk.where(is_synced, lambda o: s.log[o]),
            disk_end=ite(has_last, s.end, greatest(s.disk_end, to)),
            disk_points=s.disk_points.where(is_synced, lambda o: s.points[o]),
            synced=ite(allof(s.serves, since <= s.synced), greatest(s.synced, to), s.synced),
            cut_is_open=allof(s.cut_is_open, no(has_last)),
        ),
    )


@durability.action()
def directory_is_synced(s: State) -> Step:
    """The partition's directory is synced.

    Who: the process, when it flushes.
    When: at any time.
    Changes: the names of all segments are on disk.
    Source: LocalLog.flush (Utils.flushDir).
    """
    return Step(
        (Guard("it_runs", runs(s)),),
        lambda: s.but(
            is_named=s.is_named.where(lambda _o: True, lambda _o: True), active_is_named=True, has_new_names=False
        ),
    )


@durability.action(to=OFFSET)
def recovery_point_rises(s: State, to: Any) -> Step:
    """A flush is done, and the recovery point rises.

    Who: the process.
    When: records, index entries and names are on disk.
    Changes: whoever asked is told that the log is flushed up to there; a recovery need not look at it again.
    Source: UnifiedLog.flush, LocalLog.markFlushed.
    """
    return Step(
        (
            Guard("it_is_open", s.serves),
            Guard("it_is_higher", s.point < to),
            Guard("the_log_has_it", to <= s.end),
            Guard("the_records_are_on_disk", to <= s.synced, safety_critical=True),
            Guard("the_names_are_on_disk", anyof(no(s.has_new_names), to <= s.named), safety_critical=True),
        ),
        lambda: s.but(
            point=to,
            flushed=greatest(s.flushed, to),
            promised=s.promised.where(lambda o: o < to, lambda o: s.log[o]),
        ),
    )


@durability.action(to=OFFSET)
def recovery_point_falls(s: State, to: Any) -> Step:
    """The recovery point falls.

    Who: the process, before it cuts the log, so that no checkpoint is past what will be left of it, and after a
        recovery that has looked through more than it had to.
    When: the log is open.
    Changes: a recovery looks through more; what was promised holds.
    Source: LocalLog.truncateTo (Kafka's falls with the cut).
    """
    return Step(
        (Guard("it_is_open", s.serves, safety_critical=True), Guard("it_is_lower", to < s.point, safety_critical=True)),
        lambda: s.but(point=to),
    )


@durability.action(to=OFFSET)
def log_is_cut(s: State, to: Any) -> Step:
    """The log is cut: its newest records go.

    Who: the process, because the leader does not have them.
    When: the log is open.
    Changes: the file is shorter, on disk perhaps later; what was promised of the records is void.
    Source: UnifiedLog.truncateTo, LocalLog.truncateTo (the recovery point falls, too).
    """
    return Step(
        (Guard("it_is_open", s.serves), Guard("it_has_more", to < s.end, safety_critical=True)),
        lambda: cut(s, to).but(opening=s.opening + 1, flushed=least(s.flushed, to)),
    )


# -- the checkpoint of the recovery point ----------------------------------------------------------------------------


@durability.action()
def checkpoint_is_written(s: State) -> Step:
    """The recovery point is written to a file beside the checkpoint.

    Who: the process, every `log.flush.offset.checkpoint.interval.ms`, and after the log was cut.
    When: at any time.
    Changes: that file.
    Source: CheckpointFile.write.
    """
    return Step(
        (Guard("it_is_open", s.serves),),
        lambda: s.but(has_beside=True, beside=s.point, beside_is_synced=False),
    )


@durability.action()
def checkpoint_is_synced(s: State) -> Step:
    """The file beside the checkpoint is synced.

    Who: the process.
    When: it was written.
    Changes: what it says is on disk.
    Source: CheckpointFile.write (`fileOutputStream.getFD().sync()`).
    """
    return Step(
        (Guard("it_is_open", s.serves), Guard("it_was_written", s.has_beside)),
        lambda: s.but(beside_is_synced=True),
    )


@durability.action()
def checkpoint_is_renamed(s: State) -> Step:
    """The file takes the place of the checkpoint.

    Who: the process.
    When: what it says is on disk, and is still so.
    Changes: whoever reads the checkpoint reads the new one; on disk it may be the old one.
    Source: Utils.atomicMoveWithFallback.
    """
    return Step(
        (
            Guard("it_is_open", s.serves),
            Guard("it_was_written", s.has_beside),
            Guard("what_it_says_is_on_disk", s.beside_is_synced, safety_critical=True),
            Guard("it_is_not_past_the_recovery_point", s.beside <= s.point, safety_critical=True),
        ),
        lambda: s.but(
            checkpoint=s.beside,
            checkpoint_is_whole=s.beside_is_synced,
            past_point=greatest(s.past_point, s.beside),
            has_beside=False,
        ),
    )


@durability.action()
def log_directory_is_synced(s: State) -> Step:
    """The directory of the checkpoint and of the marker is synced.

    Who: the process, after a checkpoint was renamed, and after it removed the marker.
    When: at any time.
    Changes: what is read there is what a loss of power would leave.
    Source: Utils.atomicMoveWithFallback (`needFlushParentDir`).
    """
    return Step(
        (Guard("it_runs", runs(s)),),
        lambda: s.but(
            disk_checkpoint=s.checkpoint,
            disk_marker=s.marker,
            past_point=s.checkpoint,
            knows_the_directory=True,
        ),
    )


# -- stops and starts ------------------------------------------------------------------------------------------------


@durability.action()
def process_stops(s: State) -> Step:
    """The process stops by itself, and leaves a marker.

    Who: the process.
    When: everything is on disk.
    Changes: the next start believes all that it finds.
    Source: LogManager.shutdown, CleanShutdownFileHandler.
    """
    return Step(
        (
            Guard("it_is_open", s.serves, safety_critical=True),
            Guard("the_records_are_on_disk", s.synced == s.end, safety_critical=True),
            Guard("the_cut_is_on_disk", no(s.cut_is_open), safety_critical=True),
            Guard("the_names_are_on_disk", no(s.has_new_names), safety_critical=True),
        ),
        lambda: s.but(serves=False, has_beside=False, marker=True, disk_marker=True),
    )


@durability.action()
def log_is_opened(s: State) -> Step:
    """The process starts and finds the log.

    Who: the process.
    When: it does not run.
    Changes: it removes the marker, if there is one; then it believes all that it finds, if not what is below the
        recovery point.
    Source: LogManager.loadLogs (KAFKA-10471: the marker goes first), LogLoader.load.
    """
    believed = ite(s.marker, s.end, least(s.checkpoint, s.end))
    return Step(
        (Guard("it_is_down", no(runs(s)), safety_critical=True),),
        lambda: s.but(
            recovers=True,
            opening=s.opening + 1,
            scanned=believed,
            has_index=s.marker,
            point=believed,
            synced=believed,
            cut_is_open=True,
            has_new_names=no(s.marker),
            named=believed,
            knows_the_directory=False,
            past_point=s.checkpoint,
            marker=False,
        ),
    )


@durability.action()
def recovery_checks(s: State) -> Step:
    """A record is looked at, and is whole.

    Who: the process, on its way from the recovery point to the log's end.
    When: the checksum is that of the record.
    Changes: it goes on to the next.
    Source: LogSegment.recover (RecordBatch.ensureValid).
    """
    return Step(
        (
            Guard("it_recovers", s.recovers),
            Guard("there_is_more", s.scanned < s.end),
            Guard("the_checksum_is_right", s.log[s.scanned] > 0, safety_critical=True),
        ),
        lambda: s.but(scanned=s.scanned + 1),
    )


@durability.action()
def recovery_cuts(s: State) -> Step:
    """A record is looked at and is not whole: it goes, and all after it.

    Who: the process.
    When: the checksum is not that of the record.
    Changes: the log ends there.
    Source: LogSegment.recover, LogLoader.recoverLog (later segments are deleted).
    """
    return Step(
        (
            Guard("it_recovers", s.recovers),
            Guard("there_is_more", s.scanned < s.end),
            Guard("the_checksum_is_wrong", s.log[s.scanned] == 0, safety_critical=True),
        ),
        lambda: cut(s, s.scanned),
    )


@durability.action()
def index_is_rebuilt(s: State) -> Step:
    """The index is made anew for what was looked through.

    Who: the process.
    When: it recovers, and no checkpoint on disk is past the one that it has read. The index of what is below the
        recovery point was synced, and is believed.
    Changes: the index leads to all records, on disk perhaps later; what is cut later goes from it, too.
    Source: LogSegment.recover; Kafka does not wait for the directory to be on disk.
    """

    def is_anew(offset: Any) -> Any:
        return allof(offset >= s.point, offset < s.end)

    return Step(
        (
            Guard("it_recovers", s.recovers, safety_critical=True),
            Guard("the_directory_is_on_disk", s.knows_the_directory, safety_critical=True),
        ),
        lambda: s.but(
            has_index=True,
            points=s.points.where(is_anew, lambda _o: True),
            disk_points=s.disk_points.where(is_anew, lambda _o: False),
        ),
    )


@durability.action()
def recovery_ends(s: State) -> Step:
    """The log is opened for readers and writers.

    Who: the process.
    When: the whole log is believed, and its index.
    Changes: records can be read, and appended.
    Source: LogManager.loadLogs.
    """
    return Step(
        (
            Guard("it_recovers", s.recovers, safety_critical=True),
            Guard("all_was_looked_at", s.scanned == s.end, safety_critical=True),
            Guard("the_index_is_believed", s.has_index, safety_critical=True),
        ),
        lambda: s.but(serves=True, recovers=False),
    )
