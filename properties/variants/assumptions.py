"""Theorems without one of their assumptions, each in turn: `n-1/it_never_lags` is N-1 without it.

An assumption is a guard that a setting adds, an action that it rules out, or a guard of the machine that says what
Kafka's cluster is taken to do.
"""

from __future__ import annotations

from typing import Any

from model.language import State, anyof, no
from properties.invariants.replication import LAST_MEMBER_KEEPS, NOTICES
from properties.variants.changes import Allowed, Change, LeftOut, Switched, Weakened
from properties.variants.searching import (
    ACKNOWLEDGED,
    CLEAN,
    COPYING,
    ELECTING,
    ELIGIBLE,
    FENCING,
    LAST,
    LOSING_DISKS,
    NO_FAILURES,
    ONLY_DISKS,
    ONLY_POWER,
    PAIR,
    PAIR_DEEPER,
    PAIR_LONGER,
    SURVIVOR,
    of_positions_kept,
    only,
)
from properties.variants.variant import ANYTHING, Kind, Search, Variant


def _assumption(name: str, about: str, search: Search, *changes: Change) -> Variant:
    return Variant(name, about, Kind.ASSUMPTION, changes, (search,), proved_in=(search.setting,))


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
    _assumption(
        "n-1/it_was_not_refused_before",
        "The controller handles a request again that it refused.",
        Search(SURVIVOR, PAIR, NO_FAILURES),
        LeftOut("controller_adds", "it_was_not_refused_before"),
    ),
    _assumption(
        "n-1/no_decision_is_heard_twice",
        "A leader hears once more of the decision that it knows, and forgets what it asked for.",
        Search(SURVIVOR, PAIR, NO_FAILURES),
        LeftOut("leader_learns_isr", "it_is_newer"),
    ),
)


def _it_forgets(name: str, setting: str, theorem: str) -> Variant:
    return _assumption(
        f"{name}/it_forgets_its_followers",
        "A leader that is elected again, and has not heard that it was deposed in between, goes on with what it knew of"
        " its followers.",
        of_positions_kept(setting, theorem),
        Switched("keeps_positions", value=True),
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
    _assumption(
        "clean/nobody_outside_the_isr_is_elected",
        "Somebody outside the ISR is elected when nobody in it has a session.",
        Search(CLEAN, PAIR, NO_FAILURES),
        Allowed("controller_elects_unclean"),
    ),
    _assumption(
        "clean/it_was_not_refused_before",
        "The controller handles a request again that it refused.",
        Search(CLEAN, PAIR, NO_FAILURES),
        LeftOut("controller_adds", "it_was_not_refused_before"),
    ),
    _assumption(
        "clean/no_decision_is_heard_twice",
        "A leader hears once more of the decision that it knows, and forgets what it asked for.",
        Search(CLEAN, PAIR, NO_FAILURES),
        LeftOut("leader_learns_isr", "it_is_newer"),
    ),
)

# -- the others ------------------------------------------------------------------------------------------------------

_UNCLEAN_WITH_ELR = ("controller_drops_unclean", "controller_elects_unclean")

OTHERS = (
    _assumption(
        "last-member/no_member_comes_back_with_less",
        "The last member of the ISR comes back with less than it had.",
        Search(LAST, PAIR, ONLY_DISKS),
        Weakened("broker_registers", LAST_MEMBER_KEEPS.guard, NOTICES.holds),
    ),
    _assumption(
        "eligible/nobody_outside_the_isr_is_elected",
        "With KIP-966 on, somebody who is not eligible is elected.",
        Search(ELIGIBLE, PAIR, only(*ELECTING, *COPYING, *FENCING, *LOSING_DISKS, *_UNCLEAN_WITH_ELR)),
        Allowed("controller_elects_unclean"),
    ),
    _assumption(
        "eligible/it_was_not_refused_before",
        "With KIP-966 on, the controller handles a request again that it refused.",
        Search(ELIGIBLE, PAIR, NO_FAILURES, {"min_isr": 1}),
        LeftOut("controller_adds", "it_was_not_refused_before"),
    ),
    _assumption(
        "eligible/no_decision_is_heard_twice",
        "With KIP-966 on, a leader hears once more of the decision that it knows, and forgets what it asked for.",
        Search(ELIGIBLE, PAIR, NO_FAILURES, {"min_isr": 1}),
        LeftOut("leader_learns_isr", "it_is_newer"),
    ),
    _assumption(
        "log-matching/the_controller_noticed_its_death",
        "A leader comes back without its log before the controller noticed its death, and takes up its epoch again.",
        Search(
            ANYTHING, PAIR_DEEPER, only(*ELECTING, *COPYING, *LOSING_DISKS, "controller_fences"), theorem="LOG-MATCHING"
        ),
        LeftOut("broker_registers", NOTICES.guard),
    ),
    _assumption(
        "last-member/no_decision_is_heard_twice",
        "A leader hears once more of the decision that it knows, and forgets what it asked for.",
        Search(LAST, PAIR, NO_FAILURES),
        LeftOut("leader_learns_isr", "it_is_newer"),
    ),
)

FORGETTING = (
    _it_forgets("n-1", SURVIVOR, "N-1"),
    _it_forgets("clean", CLEAN, "CLEAN"),
    _it_forgets("eligible", ELIGIBLE, "ELIGIBLE-HOLD-COMMITTED"),
    _it_forgets("acked-is-committed", ACKNOWLEDGED, "ACKED-IS-COMMITTED"),
)

ASSUMPTIONS = (*N_1, *CLEAN_ONES, *OTHERS, *FORGETTING)
