"""Why guards are kept without which all theorems are proved, or nothing is known to break: for the documentation."""

from __future__ import annotations

from collections.abc import Mapping

from properties.variants import durability

_NOBODY = "nobody can hear of what does not exist yet"
_NEWER = "a decision of a newer leader epoch is newer in any case, and who has just started knows of none"
_ALIKE = "the controller looks at all requests alike, though none to drop does harm"
_EMPTY = "without KIP-966 nobody could ever be elected from an empty ISR: nothing would be lost, and nothing served"

KEPT: Mapping[str, str] = {
    "controller_drops_leader.it_is_not_the_last": _EMPTY,
    "controller_drops.it_is_not_the_last": _EMPTY,
    "controller_drops_unclean.there_are_eligible_leader_replicas": (
        "it is what KIP-966 brings; without KIP-966 nobody could ever be elected from an empty ISR"
    ),
    "controller_removes.it_was_not_refused_before": _ALIKE,
    "controller_removes.the_leader_is_registered_as_it_was": _ALIKE,
    "leader_learns_isr.it_was_decided": _NOBODY,
    "become_leader.it_was_decided": _NOBODY,
    "replica_learns_registration.it_was_registered": (
        f"{_NOBODY}; who did would only refuse fetches before they are stale"
    ),
    "become_leader.it_is_newer": _NEWER,
    "become_follower.it_is_newer": _NEWER,
    "become_leader.it_is_news": (
        "who takes up the epoch again that it leads in only starts it later, and forgets what it asked and knew"
    ),
    "become_follower.another_was_elected": "who follows itself only leaves its epoch without a leader",
    "leader_learns_isr.it_leads": "who does not lead has no use for the ISR, and asks for nothing",
    "follower_sends_fetch.it_follows.3": "who has just started does not know yet whom to fetch from",
    "follower_sends_fetch.it_follows.4": (
        "where nobody leads yet there is nobody to fetch from; such a fetch could only be one from offset 0"
    ),
    "follower_copies.it_follows": (
        "who follows nobody has nobody to copy from; it could only copy what its last leader sent"
    ),
    **durability.KEPT,
}
"""By the name of the variant: a clause that goes on after “because”."""


BY_GUARD: Mapping[str, str] = {
    "it_has_a_session": "the controller chooses among brokers that it hears from",
    "it_is_fenced": "the controller drops nobody that it hears from",
    "it_is_alive": "who is down does nothing",
    "it_is_another": "nobody does this to itself",
    "it_is_in_the_isr": "there would be nothing to change",
    "it_is_not_in_the_isr": "there would be nothing to change",
    "it_is_eligible": "there would be nothing to change",
    "nobody_in_the_isr_has_a_session": "Kafka prefers members of the ISR, also where unclean elections are allowed",
    "it_leads": "it is a leader's or its controller's doing",
    "it_is_alone_in_the_isr": "another would be elected otherwise",
    "it_is_dead": "who runs does not start again",
    "its_session_is_over": "Kafka registers nobody whose old session is valid",
    "it_did_not_shut_down_by_itself": "who did shut down by itself has all that it had",
    "the_leader_asked": "the controller answers requests",
    "it_was_decided": "nobody can hear of what does not exist yet, and before the first decision there is none",
    "it_fetches_as_it_is_registered": "who has not fetched yet has no broker epoch that could be the registered one",
    "the_leader_is_registered_as_it_was": "nobody asks where nobody leads",
    "it_was_not_refused_before": "the controller answers a request once",
    "there_is_more": "there would be nothing to do",
    "it_makes_a_difference": "without KIP-966 it is a crash that keeps the log",
    "it_was_flushed": "what is on disk stays there",
    "it_loses_records": "it would be a crash that keeps the log",
    "it_wrote_the_hw_to_disk": "nobody comes back with a higher watermark than it had",
    "it_asks": "there would be nothing to go back on",
    "it_has_the_record": "nobody acknowledges what it does not have",
    "it_is_news": "there would be nothing to learn",
    "it_follows": "who follows nobody has nobody to learn from",
    "it_was_elected": "an epoch without a leader is nobody's to lead",
}
"""Of guards of which nothing is said by name, and of their conjuncts: by the guard's own name."""


def why_kept(name: str) -> str | None:
    """Why a guard is kept, or a conjunct of it: a clause that goes on after “because”; None: nobody says."""
    parts = name.split(".")
    guard = parts[1] if len(parts) > 1 else ""
    return KEPT.get(name) or KEPT.get(".".join(parts[:2])) or BY_GUARD.get(guard)
