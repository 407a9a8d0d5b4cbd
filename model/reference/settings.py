"""What a topic is set to: its own setting, or else the broker's, or else the profile's default."""

from __future__ import annotations

from model.reference.rules import Context
from model.reference.state import Topic


def setting(topic: Topic, context: Context, name: str) -> str:
    """A topic's setting: its own if it has one, otherwise what the broker is set to."""
    return topic.config.get(name, context.profile.value(name))
