"""Failures of brokers in `model.machines.replication`, and how they come back. Each is an action of its own.

A claim about the machine chooses which of them there are, and may add assumptions (`properties.invariants`).

Source: signal(7) and fsync(2) for what ends a process and what outlives it; UnifiedLog.flush;
ClusterControlManager.registerBroker (3.9).
"""

from __future__ import annotations

from typing import Any

from model.language import Guard, State, Step, allof, anyof, implies, least, no
from model.machines.replication_state import OFFSET, REPLICA, replication


def _stopped(s: State, replica: Any) -> State:
    return s.but(
        alive=s.alive.set(replica, False),
        leads=s.leads.set(replica, False),
        asking=s.asking.set(replica, False),
    )


def _cut(s: State, replica: Any, end: Any) -> State:
    """A replica loses the records from an offset on, and its high watermark as far as it was past them."""
    end = least(s.end[replica], end)
    return s.but(
        end=s.end.set(replica, end),
        flushed=s.flushed.set(replica, least(s.flushed[replica], end)),
        hw=s.hw.set(replica, least(s.hw[replica], end)),
        has_lost=s.has_lost.set(replica, True),
        log=s.log.where(lambda holder, offset: allof(holder == replica, offset >= end), lambda _holder, _offset: 0),
    )


@replication.action(replica=REPLICA)
def replica_flushes(s: State, replica: Any) -> Step:
    """A replica's log is written to disk.

    Who: a broker that runs, or its operating system.
    When: at any time; Kafka forces nothing by default.
    Changes: no loss of power takes what is in its log now.
    Source: UnifiedLog.flush, log.flush.interval.messages.
    """
    return Step(
        (Guard("it_is_alive", s.alive[replica]), Guard("there_is_more", s.flushed[replica] < s.end[replica])),
        lambda: s.but(flushed=s.flushed.set(replica, s.end[replica])),
    )


@replication.action(replica=REPLICA)
def broker_crashes(s: State, replica: Any) -> Step:
    """A broker stops and keeps its log.

    Who: any broker.
    When: at any time.
    Changes: it does nothing more until it starts again.
    Source: signal(7), SIGKILL.
    """
    return Step((Guard("it_is_alive", s.alive[replica]),), lambda: _stopped(s, replica))


@replication.action(replica=REPLICA)
def broker_stops(s: State, replica: Any) -> Step:
    """A broker shuts down by itself.

    Who: any broker.
    When: at any time. Without KIP-966 it makes no difference how a broker that keeps its log went: it crashed.
    Changes: all that it has is on disk, and it can show that; it does nothing more until it starts again.
    Source: LogManager.shutdown, CleanShutdownFileHandler (the file holds the broker epoch); KIP-966 (4.0).
    """
    return Step(
        (Guard("it_is_alive", s.alive[replica], safety_critical=True), Guard("it_makes_a_difference", s.has_elr)),
        lambda: _stopped(s, replica).but(
            was_clean=s.was_clean.set(replica, True), flushed=s.flushed.set(replica, s.end[replica])
        ),
    )


@replication.action(replica=REPLICA, end=OFFSET)
def power_is_lost(s: State, replica: Any, end: Any) -> Step:
    """A broker stops, and its log loses what was not yet on disk.

    Who: any broker.
    When: at any time.
    Changes: its log is cut somewhere, not below what was flushed; it does nothing more until it starts again.
    Source: fsync(2): before it nothing is promised; LogLoader recovers the records that it finds.
    """
    return Step(
        (
            Guard("it_is_alive", s.alive[replica]),
            Guard("it_was_flushed", s.flushed[replica] <= end),
            Guard("it_loses_records", end < s.end[replica]),
        ),
        lambda: _cut(_stopped(s, replica), replica, end),
    )


@replication.action(replica=REPLICA)
def disk_is_lost(s: State, replica: Any) -> Step:
    """A broker stops and loses its log.

    Who: any broker.
    When: at any time.
    Changes: its log is empty; it does nothing more until it starts again.
    Source: KIP-858 (JBOD in KRaft) for what Kafka does about it; an operator replaces the disk.
    """
    return Step(
        (Guard("it_is_alive", s.alive[replica], safety_critical=True),),
        lambda: _cut(_stopped(s, replica), replica, 0),
    )


@replication.action(replica=REPLICA, hw=OFFSET)
def broker_registers(s: State, replica: Any, hw: Any) -> Step:
    """A broker starts again and registers, under a new broker epoch.

    Who: a broker that is down.
    When: its session is over. With KIP-966, if it did not shut down by itself, it must be eligible no more.
    Changes: it is alive, fenced for now, and will heed no decision from before; its high watermark is the one that it
        last wrote to disk.
    Source: ClusterControlManager.registerBroker (refuses as long as the old session is valid; that the broker is in
        the ISR still, if the session ended a moment ago, it looks at only where the metadata version knows KIP-966),
        ReplicationControlManager.handleBrokerUncleanShutdown, KIP-380.
    """
    return Step(
        (
            Guard("it_is_dead", no(s.alive[replica]), safety_critical=True),
            Guard("its_session_is_over", s.fenced[replica]),
            Guard(
                "it_shut_down_by_itself",
                implies(allof(s.has_elr, anyof(s.isr.has(replica), s.elr.has(replica))), s.was_clean[replica]),
                safety_critical=True,
            ),
            Guard("it_wrote_the_hw_to_disk", hw <= s.hw[replica], safety_critical=True),
        ),
        lambda: s.but(
            alive=s.alive.set(replica, True),
            was_clean=s.was_clean.set(replica, False),
            broker_epoch=s.broker_epoch.set(replica, s.broker_epoch[replica] + 1),
            started_at=s.started_at.set(replica, s.partition_epoch),
            knows=s.knows.set(replica, 0),
            hw=s.hw.set(replica, hw),
        ),
    )
