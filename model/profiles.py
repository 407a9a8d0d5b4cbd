"""Releases and configuration that change the answer.

A profile is a release of Apache Kafka, its control plane and the defaults that clients can notice, over which goes
what the target says that it was set to. A rule that changed between releases asks the profile; a requirement that
holds only for some releases says so in the catalogue and is left out of a run that it does not hold for.

Not modelled: every default of every release. Only those that a rule of the model reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from attrs import field, frozen


class ControlPlane(StrEnum):
    """What keeps the cluster's metadata."""

    ZOOKEEPER = "zk"
    KRAFT = "kraft"


_DEFAULTS: Mapping[str, str] = {
    "auto.create.topics.enable": "true",
    "cleanup.policy": "delete",
    "compression.type": "producer",
    "default.replication.factor": "1",
    "delete.retention.ms": "86400000",
    "max.compaction.lag.ms": str(2**63 - 1),
    "max.message.bytes": "1048588",
    "message.timestamp.after.max.ms": str(2**63 - 1),
    "message.timestamp.before.max.ms": str(2**63 - 1),
    "message.timestamp.type": "CreateTime",
    "min.cleanable.dirty.ratio": "0.5",
    "min.compaction.lag.ms": "0",
    "min.insync.replicas": "1",
    "num.partitions": "1",
    "offset.metadata.max.bytes": "4096",
    "producer.id.expiration.ms": "86400000",
    "retention.bytes": "-1",
    "retention.ms": "604800000",
    "segment.bytes": "1073741824",
    "segment.index.bytes": "10485760",
    "segment.ms": "604800000",
    "socket.request.max.bytes": "104857600",
    "transaction.max.timeout.ms": "900000",
}
"""Broker and topic defaults of 3.9, by the topic-level name where there is one."""

_SINCE_4_0: Mapping[str, str] = {"message.timestamp.after.max.ms": "3600000"}
"""New defaults of 4.0 that a client of one broker can notice (KIP-1030)."""

_LEASTS: Mapping[str, int] = {"segment.bytes": 14}
"""The least that a topic may be set to, until 3.9, where a later release asks for more."""

_LEASTS_SINCE_4_0: Mapping[str, int] = {"segment.bytes": 1 << 20}
"""The same since 4.0 (KIP-1030, which leaves segment.ms, segment.index.bytes and max.compaction.lag.ms to 5.0)."""


@frozen
class Profile:
    """What a run holds its target to."""

    name: str
    release: tuple[int, int]
    control_plane: ControlPlane
    defaults: Mapping[str, str] = field(factory=lambda: dict(_DEFAULTS))
    leasts: Mapping[str, int] = field(factory=lambda: dict(_LEASTS))
    """The least value of settings whose least differs by release."""
    told: Mapping[str, str] = field(factory=dict)
    """What the target's broker says that it is set to, by the same names as `defaults`; empty: it was not asked."""

    def since(self, major: int, minor: int) -> bool:
        """Whether the profile's release is this one or a later one."""
        return self.release >= (major, minor)

    def value(self, name: str) -> str:
        """What the broker is set to: what it said, or else the release's default."""
        return self.told.get(name, self.defaults[name])

    @property
    def replication(self) -> Mapping[str, bool]:
        """Settings of the replication machine (`model.machines.replication`) that the release decides, by name.

        That a smaller ISR raises the leader epoch: with KRaft until 3.6 (KAFKA-15021); with ZooKeeper still where a
        broker died (ReplicaStateMachine.doRemoveReplicasFromIsr), though not where it was slow. KIP-966: new clusters
        have it since 4.1. Every release since 0.9.0.0 keeps what a leader knew that is elected again, but the theorems
        assume that it does not, so that it is not said here.
        """
        is_kraft = self.control_plane is ControlPlane.KRAFT
        return {"bumps_epoch": not (is_kraft and self.since(3, 6)), "has_elr": is_kraft and self.since(4, 1)}

    @property
    def release_name(self) -> str:
        """The release as people write it."""
        return f"{self.release[0]}.{self.release[1]}"


PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("3.9-kraft", (3, 9), ControlPlane.KRAFT),
        Profile("3.9-zk", (3, 9), ControlPlane.ZOOKEEPER),
        Profile("4.1-kraft", (4, 1), ControlPlane.KRAFT, {**_DEFAULTS, **_SINCE_4_0}, _LEASTS_SINCE_4_0),
    )
}
DEFAULT_PROFILE = "3.9-kraft"


class UnknownProfileError(LookupError):
    """No such profile; the message lists those there are."""


def profile_named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        UnknownProfileError: there is none.
    """
    try:
        return PROFILES[name]
    except KeyError:
        raise UnknownProfileError(f"no profile {name!r}; there are {', '.join(sorted(PROFILES))}") from None
