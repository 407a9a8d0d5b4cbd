"""Which facts the harder obligations about `model.machines.replication` need, for the solver's sake.

A hint is no assumption: it only says which clauses and lemmas to look at first. Without hints most of these are proved
from all of them just as well; some take seconds, and a few the solver gives up.
"""

from __future__ import annotations

from collections.abc import Mapping

from properties.invariants.replication_decisions import DECISIONS
from properties.invariants.replication_isr import ISR

WHO_GOES_ON_LEAVES_IT_COMMITTED = (
    "committed_by_a_leader",
    "who_went_first_had_least",
    "who_went_first",
    "laggards_were_eligible",
    "committed_by_all",
    "nobody_fetched_more_than_there_is",
    "reigns",
    "newer_decisions_are_of_no_older_epoch",
    "bounds",
    "controller_bounds",
)
"""Who goes on to a later epoch leaves what is committed committed."""

WHO_GOES_ON_TAKES_IT_ALONG = (
    "members_keep_what_may_be_committed",
    "laggards_were_eligible",
    "laggards_have_what_they_take_along",
    "who_comes_back_with_less_is_out",
    "who_went_first_had_least",
    "who_went_first",
    "somebody_went_first",
    "nobody_fetched_more_than_there_is",
    "newer_decisions_are_of_no_older_epoch",
    "reigns",
    "bounds",
    "controller_bounds",
)
"""Who goes on to a later epoch takes along what may be committed."""

ANNOUNCED = (
    "what_is_announced_is_committed",
    "committed_by_a_leader",
    "who_leads",
    "who_leads_was_elected",
    "a_leader_sends_all_it_has",
    "a_leader_sends_what_it_has",
    "bounds",
    "reigns",
)
"""What is below a leader's high watermark is committed."""

BELOW_HW = (
    "below_hw_is_committed",
    "committed_by_a_leader",
    "bounds",
)
"""What is below a high watermark is committed."""

HINTS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("LOG-MATCHING", ""): ("records_are_their_epochs_leaders", "logs_match_leaders"),
    ("logs_match_leaders", "become_leader"): ("records_are_their_epochs_leaders", "logs_match_leaders", "bounds"),
    ("refused_requests_changed_nothing", "controller_adds"): (
        "refused_requests_changed_nothing",
        "nothing_is_asked_of_the_unheard",
        "newest_decision",
        "who_leads",
        "who_leads_was_elected",
        "bounds",
        "controller_bounds",
    ),
    ("candidates_are_in_the_epoch", "follower_sends_fetch"): (
        "candidates_are_in_the_epoch",
        "fetches_are_less_than_the_log",
        "who_lost_has_heard_of_nothing",
        "stays",
        "bounds",
        "controller_bounds",
    ),
    ("eligible_hold_committed", ""): (
        "newest_decision",
        "members_keep_what_may_be_committed",
        "laggards_were_eligible",
        "laggards_have_what_they_take_along",
        "committed_by_all",
        "committed_by_a_leader",
        "decisions_have_epochs",
        "reigns",
        "bounds",
        "controller_bounds",
    ),
    ("later_leaders_hold_committed", ""): (
        "committed_by_a_leader",
        "leaders_begin_with_what_may_be_committed",
        "controller_bounds",
    ),
    ("LAST-MEMBER", ""): ("eligible_hold_committed", "later_leaders_hold_committed"),
    ("below_hw_is_committed", ""): BELOW_HW,
    ("below_hw_is_committed", "become_follower"): (
        *BELOW_HW,
        "newer_decisions_are_of_no_older_epoch",
    ),
    ("below_hw_is_committed", "follower_hears_hw"): (
        *BELOW_HW,
        "what_is_announced_is_committed",
        "logs_match_leaders",
        "reigns",
    ),
    ("below_hw_is_committed", "follower_truncates"): (
        *BELOW_HW,
        "leaders_begin_with_what_may_be_committed",
        "reigns",
        "one_thing_may_be_committed",
    ),
    ("below_hw_is_committed", "leader_advances_hw"): (
        *BELOW_HW,
        "what_all_have_fetched_may_be_committed",
        "nothing_is_committed_otherwise",
        "reigns",
        "controller_bounds",
        "records_are_their_epochs_leaders",
        "a_leader_sends_all_it_has",
    ),
    ("candidates_have_what_may_be_committed", ""): (
        "candidates_have_what_they_fetched",
        "candidates_are_in_the_epoch",
        "leaders_begin_with_what_may_be_committed",
        "controller_bounds",
        "reigns",
    ),
    ("committed_by_a_leader", "become_follower"): WHO_GOES_ON_LEAVES_IT_COMMITTED,
    ("committed_by_a_leader", "become_leader"): (
        "committed_by_a_leader",
        "committed_by_all",
        "reigns",
        "bounds",
        "decisions_are_in_order",
        "starts_are_late",
        "who_stopped_leading_starts_later_or_has_its_log",
        "leaders_keep_their_log",
        "leaders_keep_their_records",
        "a_leader_sends_all_it_has",
        "a_leader_sends_what_it_has",
    ),
    ("a_request_under_way_is_remembered", "leader_reverts"): (
        "a_request_under_way_is_remembered",
        "nothing_is_asked_of_the_unheard",
        "newest_decision",
        "who_leads",
        "bounds",
    ),
    ("unheard_decisions_only_shrink", "broker_registers"): (
        "unheard_decisions_only_shrink",
        "newest_decision",
        "who_leads",
    ),
    ("committed_by_all", "leader_advances_hw"): (
        "committed_by_all",
        "leaders_that_may_commit_count_the_eligible",
        "members_are_counted_as_they_are",
        "what_is_known_was_sent",
        "who_leads",
        "a_request_under_way_is_remembered",
        "nothing_is_asked_of_the_unheard",
        "bounds",
        "sent_bounds",
        "stays",
        "decisions_are_in_order",
        "reigns",
    ),
    ("leaders_begin_with_what_may_be_committed", "become_leader"): (
        "leaders_begin_with_what_may_be_committed",
        "members_keep_what_may_be_committed",
        "laggards_were_eligible",
        "laggards_have_what_they_take_along",
        "who_comes_back_with_less_is_out",
        "leaders_stay_in_the_isr",
        "decisions_are_in_order",
        "decisions_have_epochs",
        "newer_decisions_are_of_no_older_epoch",
        "who_went_first_had_least",
        "who_went_first",
        "somebody_went_before_a_later_epoch_began",
        "nobody_fetched_more_than_there_is",
        "reigns",
        "bounds",
        "controller_bounds",
        *ISR,
    ),
    ("leaders_begin_with_what_may_be_committed", "leader_appends"): (
        "leaders_begin_with_what_may_be_committed",
        "somebody_went_before_a_later_epoch_began",
        "who_went_first_has_no_more_than_the_leader",
        "who_leads_was_elected",
        "a_leader_sends_all_it_has",
        "reigns",
        "bounds",
    ),
    ("leaders_that_may_commit_count_the_eligible", "controller_adds"): (
        "leaders_that_may_commit_count_the_eligible",
        "a_request_under_way_is_remembered",
        "newest_decision",
        "nothing_is_asked_of_the_unheard",
        "who_leads",
        "who_leads_was_elected",
        "bounds",
        "controller_bounds",
    ),
    ("members_keep_what_may_be_committed", ""): (
        "members_keep_what_may_be_committed",
        "newest_decision",
        "decisions_have_epochs",
        "bounds",
        "controller_bounds",
    ),
    ("members_keep_what_may_be_committed", "become_follower"): WHO_GOES_ON_TAKES_IT_ALONG,
    ("members_keep_what_may_be_committed", "become_leader"): (
        *WHO_GOES_ON_TAKES_IT_ALONG,
        *DECISIONS,
        "a_leader_sends_all_it_has",
        "leaders_keep_their_log",
        "leaders_keep_their_records",
    ),
    ("members_keep_what_may_be_committed", "controller_adds"): (
        "members_keep_what_may_be_committed",
        "candidates_have_what_may_be_committed",
        "bounds",
        "controller_bounds",
        "newest_decision",
        "decisions_have_epochs",
    ),
    ("members_keep_what_may_be_committed", "follower_truncates"): (
        "members_keep_what_may_be_committed",
        "what_may_be_committed_is_not_truncated",
        "bounds",
    ),
    ("members_keep_what_may_be_committed", "leader_appends"): (
        "members_keep_what_may_be_committed",
        "somebody_went_first",
        "who_went_first_has_no_more_than_the_leader",
        "who_leads_was_elected",
        "a_leader_sends_all_it_has",
        "bounds",
        "controller_bounds",
    ),
    ("nothing_is_committed_otherwise", ""): (
        "one_thing_may_be_committed",
        "what_all_have_fetched_may_be_committed",
        "who_leads_was_elected",
        "a_leader_sends_what_it_has",
        "bounds",
    ),
    ("what_is_announced_is_committed", ""): ANNOUNCED,
    ("what_is_announced_is_committed", "become_leader"): (
        "what_is_announced_is_committed",
        "below_hw_is_committed",
        "bounds",
        "reigns",
        "decisions_are_in_order",
        "starts_are_late",
        "who_stopped_leading_starts_later_or_has_its_log",
        "leaders_keep_their_log",
        "leaders_keep_their_records",
    ),
    ("what_is_announced_is_committed", "leader_advances_hw"): (
        *ANNOUNCED,
        "nothing_is_committed_otherwise",
        "what_all_have_fetched_may_be_committed",
        "records_are_their_epochs_leaders",
        "controller_bounds",
    ),
}
"""By clause or lemma, and action; no action: whichever has no hint of its own."""
