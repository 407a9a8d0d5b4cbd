"""The step that does something to the broker. Its operations in flight are in the same group."""

from __future__ import annotations

from hypothesis import strategies as st

from conformance.machines.actor import Actor
from conformance.machines.steps import kind
from model.reference.operations import Operation


@kind(action=st.sampled_from(("restart", "kill", "elect")))
def fault(actor: Actor, action: str) -> Operation | None:  # noqa: ARG001  the actor treats it apart
    """Restart or kill the broker while the group's other operations are under way."""
    return None
