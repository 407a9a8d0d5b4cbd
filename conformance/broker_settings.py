"""What the target's brokers are set to, as they say: asked once, before anything is judged.

A broker that was started with other settings than Kafka's defaults is no less conforming. One that tells nothing, or
no sense, is taken to have the defaults of the profile's release.

Not here: what an answer to DescribeConfigs must be (`model.reference.configs`); nothing is judged of this one.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from conformance.client import Client, Unsupported
from conformance.targets.base import BRISK, BRISK_MS
from conformance.wire.apis import Api, message
from conformance.wire.errors import WireError
from model.profiles import Profile
from model.reference.administration import ResourceType
from model.reference.configs import SETTINGS
from model.reference.timestamps import AFTER, BEFORE

DESCRIBE_CONFIGS_VERSION_MAX = 3
SHAPING = ("cleanup.policy", "compression.type", "message.timestamp.type")
"""What changes batches on their way into the log. A case that is not about it means topics that don't."""
BOTH_SIDES = "log.message.timestamp.difference.max.ms"
"""The broker's setting for both sides of the window of timestamps; it is gone in 4.0 (KIP-937)."""


def as_told(profile: Profile, client: Client) -> Profile:
    """The profile, with what the home broker says that it is set to."""
    own = {name: SETTINGS[name].synonym or name if name in SETTINGS else name for name in profile.defaults}
    told = _ask(client, (*own.values(), BOTH_SIDES))
    found = {name: told[broker_name].strip() for name, broker_name in own.items() if broker_name in told}
    if not profile.since(4, 0) and BOTH_SIDES in told:
        # As in a topic, it holds for a side whose own setting is at its default.
        for side in (BEFORE, AFTER):
            if found.get(side, profile.defaults[side]) == profile.defaults[side]:
                found[side] = told[BOTH_SIDES].strip()
    return evolve(profile, told={name: value for name, value in found.items() if _makes_sense(name, value, profile)})


def plainly(profile: Profile) -> Mapping[str, str]:
    """What a topic must be set to, so that it stores what it is given: where the broker is set to something else."""
    return {name: profile.defaults[name] for name in SHAPING if profile.value(name) != profile.defaults[name]}


def need_brisk(client: Client) -> None:
    """See to it that retention and compaction run soon.

    Raises:
        Unsupported: they do not, or nothing is known of it.
    """
    names = [name for name in BRISK if name.startswith(("log.retention", "log.cleaner"))]
    told = _ask(client, tuple(names))
    wanted = [f"{name}={BRISK_MS} or less" for name in names if not _is_brisk(told.get(name, ""))]
    if wanted:
        wanted += [f"{name}={value}" for name, value in BRISK.items() if name not in names]
        raise Unsupported(f"its retention or compaction runs too seldom to wait for: set {', '.join(wanted)}")


def _is_brisk(value: str) -> bool:
    return value.isascii() and value.isdigit() and int(value) <= BRISK_MS


def _ask(client: Client, names: tuple[str, ...]) -> Mapping[str, str]:
    """The home broker's settings of these names, as far as it tells them."""
    try:
        version = client.version(Api.DESCRIBE_CONFIGS, DESCRIBE_CONFIGS_VERSION_MAX)
        broker = client.any_broker()
        asked = {
            "resource_type": int(ResourceType.BROKER),
            "resource_name": str(broker),
            "configuration_keys": list(names),
        }
        request = message(Api.DESCRIBE_CONFIGS, version, resources=[asked], include_synonyms=False)
        with client.fresh(broker) as connection:
            answer = connection.call(Api.DESCRIBE_CONFIGS, version, request).answer
    except (Unsupported, WireError):
        return {}
    configs = [each for result in answer.results if result.error_code == 0 for each in result.configs or ()]
    return {each.name: each.value for each in configs if each.value is not None and each.name in names}


def _makes_sense(name: str, value: str, profile: Profile) -> bool:
    """Whether a broker can be set so."""
    if name in SETTINGS:
        return SETTINGS[name].admits(value)
    default = profile.defaults[name]
    return value in ("true", "false") if default in ("true", "false") else value.isascii() and value.isdigit()
