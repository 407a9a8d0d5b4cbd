"""Where counterexamples are looked for: settings, sizes, and which actions are taken.

A search with few actions is quick and goes deep; what it finds is a shortest way with these actions. A way that is
found in such a search is one of the whole machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from model.machines.replication import replication, sizes
from properties.variants.variant import ANYTHING, REPLICATION, Search

LAST, ELIGIBLE, ACKNOWLEDGED, SURVIVOR, CLEAN = (
    f"{REPLICATION}:{name}" for name in ("last", "eligible", "acknowledged", "survivor", "clean")
)
SETTINGS = ((LAST, ELIGIBLE), (ACKNOWLEDGED,), (ANYTHING,))
"""Settings in which guards are left out; in the later ones those of actions that the earlier ones do not have."""

# -- actions ---------------------------------------------------------------------------------------------------------

LOSSES = ("power_is_lost", "disk_is_lost", "replica_flushes")
NO_FAILURES = (*LOSSES, "broker_crashes", "broker_stops", "broker_registers")
"""Nobody fails; sessions end, messages are late, repeated or lost."""
NO_LOSSES = LOSSES
"""Brokers crash, and keep their logs."""
ONLY_DISKS = ("power_is_lost", "replica_flushes", "broker_crashes", "broker_stops")
"""Brokers fail by losing their disks."""
ONLY_POWER = ("disk_is_lost", "replica_flushes", "broker_crashes", "broker_stops")
"""Brokers fail by losing power."""

ELECTING = ("controller_elects", "become_leader", "leader_appends", "leader_advances_hw")
COPYING = ("become_follower", "follower_copies", "follower_sends_fetch", "leader_handles_fetch")
FENCING = ("controller_fences", "controller_unfences", "controller_drops")
SHRINKING = ("leader_asks_to_drop", "controller_removes", "leader_learns_isr")
JOINING = ("replica_learns_registration", "leader_asks_to_add", "controller_adds")
LOSING_DISKS = ("disk_is_lost", "broker_registers")


def only(*actions: str) -> tuple[str, ...]:
    """All actions but these: what is left out of a search in which only these are taken."""
    return tuple(each for each in replication.actions if each not in actions)


# -- sizes -----------------------------------------------------------------------------------------------------------

PAIR_ONCE = sizes(replicas=2, log=1, epochs=1, versions=3)
PAIR = sizes(replicas=2, log=1, epochs=2, versions=3)
PAIR_LONGER = sizes(replicas=2, log=1, epochs=2)
PAIR_LATER = sizes(replicas=2, log=1, epochs=3, versions=3)
PAIR_LATER_LONGER = sizes(replicas=2, log=1, epochs=3)
PAIR_DEEPER = sizes(replicas=2, log=2, epochs=2)
TRIO_LATER = sizes(replicas=3, log=1, epochs=3, versions=3)
TRIO_ONCE = sizes(replicas=3, log=1, epochs=1, versions=4)

_CORE = (*ELECTING, *COPYING, *FENCING)


def usual_searches(settings: Sequence[str], action: str) -> tuple[Search, ...]:
    """Where anything is looked for of which nothing is known but that an action is taken, the small ones first."""
    tried = (
        (PAIR, NO_FAILURES),
        (PAIR_DEEPER, only(*ELECTING, *COPYING, "follower_truncates")),
        (PAIR_ONCE, only(*_CORE, *JOINING, *LOSING_DISKS)),
        (PAIR_LATER, only(*_CORE, *LOSING_DISKS, "controller_drops_leader")),
        (PAIR, ONLY_DISKS),
        (PAIR, ONLY_POWER),
        (PAIR, NO_LOSSES),
        (PAIR, only(*_CORE, "replica_flushes", "power_is_lost", "broker_registers")),
    )
    return tuple(
        Search(setting, each, without) for each, without in tried for setting in settings if action not in without
    )


_STOPPING_CLEANLY = Search(
    ELIGIBLE,
    PAIR_LATER_LONGER,
    only(*ELECTING, *FENCING, *LOSING_DISKS, "broker_stops", "controller_drops_leader", "controller_gives_up_leader"),
    {"min_isr": 1},
)
_JOINING_ONCE = only(*_CORE, *JOINING, *LOSING_DISKS)


def of_positions_kept(setting: str, theorem: str) -> Search:
    """Where a leader that is elected again counts followers for what they have no more."""
    trio = sizes(replicas=3, log=1, epochs=3, versions=3, registrations=1)
    few = only(*ELECTING, *COPYING, "follower_truncates")
    return Search(setting, trio, few, states=12_000_000, theorem=theorem)


KNOWN: Mapping[str, Search] = {
    "broker_stops.it_is_alive": _STOPPING_CLEANLY,
    "disk_is_lost.it_is_alive": _STOPPING_CLEANLY,
    "controller_drops.it_is_fenced": Search(SURVIVOR, PAIR_LONGER, ONLY_DISKS),
    "controller_drops_leader.it_is_fenced": Search(SURVIVOR, PAIR_LONGER, ONLY_DISKS),
    "controller_elects_unclean.nobody_in_the_isr_has_a_session": Search(SURVIVOR, PAIR, NO_FAILURES),
    "controller_elects_eligible.the_isr_is_empty": Search(
        SURVIVOR,
        sizes(replicas=3, log=1, epochs=3, versions=5, registrations=1),
        only(
            *ELECTING,
            *COPYING,
            *SHRINKING,
            "controller_fences",
            "controller_elects_eligible",
            "controller_elects_unclean",
        ),
        {"has_elr": True, "min_isr": 2},
        states=12_000_000,
    ),
    "controller_adds.its_broker_epoch_is_the_one_named": Search(LAST, PAIR_ONCE, _JOINING_ONCE),
    "controller_adds.the_leader_is_registered_as_it_was": Search(
        LAST, PAIR_ONCE, only(*_CORE, *JOINING, "broker_crashes", "broker_registers")
    ),
    "controller_adds.the_leader_asked": Search(LAST, TRIO_ONCE, only(*_CORE, *JOINING), states=8_000_000),
    "controller_adds.the_leader_asked.1": Search(
        LAST,
        sizes(replicas=3, log=1, epochs=1, versions=3, registrations=1),
        only(*ELECTING, *COPYING, *JOINING, *SHRINKING, "controller_refuses", "leader_reverts"),
        states=20_000_000,
    ),
    "controller_elects_eligible.it_is_eligible": Search(
        ELIGIBLE,
        PAIR_LATER_LONGER,
        only(*ELECTING, *FENCING, "controller_drops_leader", "controller_elects_eligible"),
        {"min_isr": 1},
    ),
    "controller_removes.the_leader_asked": Search(SURVIVOR, PAIR, ONLY_DISKS),
    "controller_removes.the_leader_asked.1": Search(
        SURVIVOR,
        PAIR_LONGER,
        only(*_CORE, *JOINING, *LOSING_DISKS, "controller_removes", "controller_elects_unclean"),
        states=12_000_000,
    ),
    "leader_asks_to_add.it_asks_for_nothing_else": Search(
        LAST, TRIO_ONCE, only(*ELECTING, *COPYING, *JOINING, *SHRINKING), states=12_000_000
    ),
    "leader_asks_to_add.it_fetches_as_it_is_registered": Search(LAST, PAIR_ONCE, _JOINING_ONCE),
    "leader_asks_to_add.it_has_fetched_to_the_epochs_start": Search(
        LAST,
        sizes(replicas=2, log=1, epochs=3, versions=5),
        only(
            *ELECTING,
            *("become_follower", "follower_sends_fetch", "leader_handles_fetch"),
            *FENCING,
            *JOINING,
            *("broker_crashes", "broker_registers", "controller_gives_up_leader"),
        ),
        states=12_000_000,
    ),
    "leader_asks_to_drop.it_asks_for_nothing_else": Search(
        LAST, TRIO_ONCE, only(*ELECTING, *COPYING, *JOINING, *SHRINKING), states=12_000_000
    ),
    "leader_handles_fetch.the_broker_epoch_is_not_stale": Search(LAST, PAIR_ONCE, _JOINING_ONCE),
    "replica_learns_registration.it_is_newer": Search(LAST, PAIR_ONCE, _JOINING_ONCE),
}
"""Where what breaks without a guard, or a conjunct of one, is found soonest."""
