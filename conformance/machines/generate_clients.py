"""Steps of real clients, which choose partitions by keys."""

from __future__ import annotations

from hypothesis import strategies as st

from conformance.machines.actor import Actor
from conformance.machines.generate_topics import topic_of_character
from conformance.machines.steps import kind
from model.reference.operations import KeyedClient, LocateKeys, Operation

CLIENTS = {"murmur2": KeyedClient.JAVA_LIKE, "crc32": KeyedClient.CRC32}
"""By how they hash. kafka-python is left to a case: it takes long to start."""
KEYS = ("a", "b", "foobar", "21", "\u00e9")


@kind("KEY", client=st.sampled_from(tuple(CLIENTS)), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=4))
def locate_keys(actor: Actor, client: str, keys: list[str]) -> Operation | None:
    """Let a real client produce records with keys, and look where they lie.

    They are of today, the other records of a sequence of years ago: a topic in which that begins no segment.
    """
    name = topic_of_character(actor, "timeless")
    if name is None:
        return None
    return LocateKeys(topic=name, keys=tuple(key.encode() for key in keys), client=CLIENTS[client])
