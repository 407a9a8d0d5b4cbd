"""Theorems without one of their assumptions, each in turn: `n-1/it_never_lags` is N-1 without it.

What several theorems assume breaks each of them in a way of its own.

An assumption is a guard that a setting adds, an action that it rules out, or a guard of the machine that says what
Kafka's cluster is taken to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from model.language import State, anyof, no
from model.machines.replication import sizes
from properties.invariants.replication import LAST_MEMBER_KEEPS, NOTICES
from properties.variants.changes import Allowed, Change, LeftOut, Switched, Weakened
from properties.variants.searching import (
    ACKNOWLEDGED,
    CLEAN,
    COPYING,
    ELECTING,
    ELIGIBLE,
    FENCING,
    JOINING,
    LAST,
    LOSING_DISKS,
    NO_FAILURES,
    ONLY_DISKS,
    ONLY_POWER,
    PAIR,
    PAIR_DEEPER,
    PAIR_LATER_LONGER,
    PAIR_LONGER,
    SURVIVOR,
    of_positions_kept,
    only,
)
from properties.variants.variant import ANYTHING, Kind, Search, Variant


def _assumption(name: str, about: str, search: Search, *changes: Change) -> Variant:
    return Variant(name, about, Kind.ASSUMPTION, changes, (search,), proved_in=(search.setting,))


# -- what several theorems assume -------------------------------------------------------------------------------------


def _unclean(name: str, search: Search) -> Variant:
    return _assumption(
        f"{name}/nobody_outside_the_isr_is_elected",
        "Somebody outside the ISR is elected when nobody in it has a session.",
        search,
        Allowed("controller_elects_unclean"),
    )


def _again(name: str, search: Search) -> Variant:
    return _assumption(
        f"{name}/it_was_not_refused_before",
        "The controller handles a request again that it refused.",
        search,
        LeftOut("controller_adds", "it_was_not_refused_before"),
    )


def _twice(name: str, search: Search) -> Variant:
    return _assumption(
        f"{name}/no_decision_is_heard_twice",
        "A leader hears once more of the decision that it knows, and forgets what it asked for.",
        search,
        LeftOut("leader_learns_isr", "it_is_newer"),
    )


def _comes_back_with_less(name: str, search: Search) -> Variant:
    return _assumption(
        f"{name}/no_member_comes_back_with_less",
        "The last member of the ISR comes back with less than it had.",
        search,
        Weakened("broker_registers", LAST_MEMBER_KEEPS.guard, NOTICES.holds),
    )


def _forgets(name: str, search: Search) -> Variant:
    return _assumption(
        f"{name}/it_forgets_its_followers",
        "A leader that is elected again, and has not heard that it was deposed in between, goes on with what it knew of"
        " its followers.",
        search,
        Switched("keeps_positions", value=True),
    )


# -- N-1 -------------------------------------------------------------------------------------------------------------


def _lives_or_is_another(s: State, replica: Any) -> Any:
    return anyof(replica != s.survivor, no(s.alive[replica]))


_ITS_SESSION_ENDS_WITH_IT = Weakened("controller_fences", "it_is_not_the_survivor", _lives_or_is_another)
"""While the survivor lives, its session is as little over as before."""
_NOT_THE_SURVIVOR = "it_is_not_the_survivor"

N_1 = (
    _assumption(
        "n-1/it_never_stops",
        "The survivor crashes or shuts down, its session ends, and it leaves the ISR with its log.",
        Search(SURVIVOR, PAIR_LONGER, ("power_is_lost", "replica_flushes")),
        LeftOut("broker_crashes", _NOT_THE_SURVIVOR),
        LeftOut("broker_stops", _NOT_THE_SURVIVOR),
        _ITS_SESSION_ENDS_WITH_IT,
    ),
    _assumption(
        "n-1/its_power_is_never_lost",
        "The survivor loses what was not yet on disk.",
        Search(SURVIVOR, PAIR, ONLY_POWER),
        LeftOut("power_is_lost", _NOT_THE_SURVIVOR),
        _ITS_SESSION_ENDS_WITH_IT,
    ),
    _assumption(
        "n-1/its_disk_is_never_lost",
        "The survivor loses its disk.",
        Search(SURVIVOR, PAIR, ONLY_DISKS),
        LeftOut("disk_is_lost", _NOT_THE_SURVIVOR),
        _ITS_SESSION_ENDS_WITH_IT,
    ),
    _assumption(
        "n-1/its_session_is_never_over",
        "The survivor's session ends though it lives, and it leaves the ISR.",
        Search(SURVIVOR, PAIR_LONGER, ONLY_DISKS),
        LeftOut("controller_fences", _NOT_THE_SURVIVOR),
    ),
    _assumption(
        "n-1/it_never_lags",
        "The survivor is slow, and its leader has it dropped from the ISR.",
        Search(SURVIVOR, PAIR_LONGER, ONLY_DISKS),
        LeftOut("leader_asks_to_drop", _NOT_THE_SURVIVOR),
    ),
    _assumption(
        "n-1/the_controller_noticed_its_death",
        "A broker other than the survivor comes back before the controller has dropped it from the ISR.",
        Search(SURVIVOR, PAIR_LONGER, ONLY_DISKS),
        LeftOut("broker_registers", "the_controller_noticed_its_death"),
    ),
    _again("n-1", Search(SURVIVOR, PAIR, NO_FAILURES)),
    _twice("n-1", Search(SURVIVOR, PAIR, NO_FAILURES)),
)

# -- CLEAN -----------------------------------------------------------------------------------------------------------

CLEAN_ONES = (
    _assumption(
        "clean/no_power_is_lost",
        "Replicas lose what was not yet on disk.",
        Search(CLEAN, PAIR, ("replica_flushes", "broker_crashes", "broker_stops")),
        Allowed("power_is_lost"),
    ),
    _assumption(
        "clean/no_disk_is_lost",
        "Replicas lose their disks.",
        Search(CLEAN, PAIR, ("replica_flushes", "broker_crashes", "broker_stops")),
        Allowed("disk_is_lost"),
    ),
    _unclean("clean", Search(CLEAN, PAIR, NO_FAILURES)),
    _again("clean", Search(CLEAN, PAIR, NO_FAILURES)),
    _twice("clean", Search(CLEAN, PAIR, NO_FAILURES)),
)

# -- KIP-966 ---------------------------------------------------------------------------------------------------------

_UNCLEAN_WITH_ELR = ("controller_drops_unclean", "controller_elects_unclean")
_ALONE: Mapping[str, Any] = {"min_isr": 1}
_FETCHING = ("become_follower", "follower_sends_fetch", "leader_handles_fetch")
_REFUSING = ("controller_refuses", "leader_reverts")
_PAIR_WITHOUT_FAILURES = sizes(replicas=2, log=1, epochs=2, versions=5, registrations=1)
_LONELY = Search(
    ELIGIBLE,
    sizes(replicas=3, log=1, epochs=4, versions=5, registrations=1),
    only(*ELECTING, *COPYING, "follower_truncates", "controller_fences", "controller_drops", "controller_drops_leader"),
    _ALONE,
    states=30_000_000,
    theorem="MIN-ISR",
)
"""Who has what is committed is dropped, and who was counted for it is left."""


def _no_failures(setting: str, theorem: str, *actions: str, given: Mapping[str, Any] | None = None) -> Search:
    """A follower joins the ISR, leads, and drops the leader before it; besides, these actions."""
    few = only(*ELECTING, *_FETCHING, *FENCING, *JOINING, *actions)
    return Search(setting, _PAIR_WITHOUT_FAILURES, few, given or {}, theorem=theorem)


WITH_ELR = (
    _unclean("eligible", Search(ELIGIBLE, PAIR, NO_FAILURES, _ALONE, theorem="ELIGIBLE-HOLD-COMMITTED")),
    _again("eligible", Search(ELIGIBLE, PAIR, NO_FAILURES, _ALONE)),
    _twice("eligible", Search(ELIGIBLE, PAIR, NO_FAILURES, _ALONE)),
    _unclean("min-isr", Search(ELIGIBLE, PAIR, only(*ELECTING, *COPYING, *FENCING, *LOSING_DISKS, *_UNCLEAN_WITH_ELR))),
    _again("min-isr", _no_failures(ELIGIBLE, "MIN-ISR", *_REFUSING, given=_ALONE)),
    _twice("min-isr", _no_failures(ELIGIBLE, "MIN-ISR", "leader_learns_isr", given=_ALONE)),
    _forgets("min-isr", _LONELY),
)

# -- whatever happens, as long as members keep their logs ------------------------------------------------------------

_COMMITTED_TWICE = Search(
    LAST,
    sizes(replicas=3, log=1, epochs=4, versions=6, registrations=1),
    only(*ELECTING, *COPYING, "follower_truncates", "controller_fences", "controller_drops"),
    states=80_000_000,
    theorem="READ-STABLE",
)
"""Who was counted for a record leads without it, and commits another."""
_ELECTED_ANEW = only(*ELECTING, *FENCING, *LOSING_DISKS, "controller_gives_up_leader")

LASTING = (
    _comes_back_with_less("last-member", Search(LAST, PAIR, ONLY_DISKS)),
    _twice("last-member", Search(LAST, PAIR, NO_FAILURES)),
    _comes_back_with_less("read-stable", Search(LAST, PAIR_LATER_LONGER, _ELECTED_ANEW, theorem="READ-STABLE")),
    _unclean("read-stable", Search(LAST, PAIR, NO_FAILURES, theorem="READ-STABLE")),
    _again("read-stable", _no_failures(LAST, "READ-STABLE", *_REFUSING)),
    _twice("read-stable", _no_failures(LAST, "READ-STABLE", "leader_learns_isr")),
    *(
        made("acked-is-committed", Search(ACKNOWLEDGED, PAIR, without, theorem="ACKED-IS-COMMITTED"))
        for made, without in (
            (_comes_back_with_less, ONLY_DISKS),
            (_unclean, NO_FAILURES),
            (_again, NO_FAILURES),
            (_twice, NO_FAILURES),
        )
    ),
)

# -- logs and fetches ------------------------------------------------------------------------------------------------

_TOO_SOON = (*ELECTING, *COPYING, *LOSING_DISKS, "controller_fences")

NOTICING = (
    _assumption(
        "log-matching/the_controller_noticed_its_death",
        "A leader comes back without its log before the controller noticed its death, and takes up its epoch again.",
        Search(ANYTHING, PAIR_DEEPER, only(*_TOO_SOON), theorem="LOG-MATCHING"),
        LeftOut("broker_registers", NOTICES.guard),
    ),
    _assumption(
        "epoch-fenced/the_controller_noticed_its_death",
        "A leader comes back without its log before the controller noticed its death, takes up its epoch again, and"
        " counts a follower for what that has truncated since.",
        Search(ANYTHING, PAIR, only(*_TOO_SOON, "follower_truncates"), theorem="EPOCH-FENCED"),
        LeftOut("broker_registers", NOTICES.guard),
    ),
)

FORGETTING = (
    _forgets("read-stable", _COMMITTED_TWICE),
    _forgets("n-1", of_positions_kept(SURVIVOR, "N-1")),
    _forgets("clean", of_positions_kept(CLEAN, "CLEAN")),
    _forgets("eligible", of_positions_kept(ELIGIBLE, "ELIGIBLE-HOLD-COMMITTED")),
    _forgets("acked-is-committed", of_positions_kept(ACKNOWLEDGED, "ACKED-IS-COMMITTED")),
)

ASSUMPTIONS = (*N_1, *CLEAN_ONES, *WITH_ELR, *LASTING, *NOTICING, *FORGETTING)
