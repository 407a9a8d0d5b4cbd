"""ApiVersions: which requests a broker speaks, and in which versions.

Not modelled: features (KIP-584), and which releases must know which versions.

Source: ApiVersionsRequest, ApiVersionsResponse, KafkaApis.handleApiVersionsRequest; KIP-35, KIP-511.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from attrs import evolve

from model.reference.errors import ErrorCode
from model.reference.operations import ApiVersions
from model.reference.outcomes import Exactly, Expect, Meets, Permitted, Section, Values, declare, error, success
from model.reference.rules import Context, rule
from model.reference.state import Cluster

LISTED = declare("api_versions.listed", "the broker's APIs and versions")
UNKNOWN_VERSION = declare("api_versions.unknown_version", "the version is not known: answered in the oldest form")
BAD_SOFTWARE = declare("api_versions.bad_software", "the client's software name or version is malformed: refused")

API_VERSIONS = 18
REQUIRED = frozenset({0, 1, 2, 3, API_VERSIONS})
"""Produce, Fetch, ListOffsets, Metadata, ApiVersions: without these nobody can write and read."""
SOFTWARE_FROM = 3
_SOFTWARE = re.compile(r"[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?")


def is_software(text: str) -> bool:
    """Whether a client's name or version may be called so (ApiVersionsRequest.SOFTWARE_NAME_VERSION_PATTERN)."""
    return _SOFTWARE.fullmatch(text) is not None


@rule(ApiVersions)
def api_versions(cluster: Cluster, operation: ApiVersions, context: Context) -> tuple[Section, ...]:
    """What a broker may say of what it speaks, in the version asked for."""
    known = cluster.api_ranges
    own = known.get(API_VERSIONS) if known is not None else None
    choices: tuple[Permitted, ...]
    if own is not None:
        choices = (_listed(known, operation),) if own[0] <= operation.version <= own[1] else (_unknown(own),)
    elif operation.version == 0:
        choices = (_listed(known, operation),)
    else:
        choices = (_listed(known, operation), _unknown(None))
    return (Section("request", choices),)


def _listed(known: Mapping[int, tuple[int, int]] | None, operation: ApiVersions) -> Permitted:
    names = (operation.software_name, operation.software_version)
    if operation.version >= SOFTWARE_FROM and not all(map(is_software, names)):
        return Permitted(BAD_SOFTWARE, (error(ErrorCode.INVALID_REQUEST, "MET-54"),))
    expects = [
        success("MET-52" if known is not None else "MET-51"),
        Expect("form", Exactly(operation.version), "MET-52"),
        Expect("versions", Meets("each from a least to a greatest version", _are_ranges), "MET-51", vital=False),
        Expect("versions", Meets("all that a client can't do without", _suffices), "MET-51", vital=False),
        Expect("repeated", Exactly(frozenset()), "MET-51", vital=False),
    ]
    if known is not None:
        expects.append(Expect("versions", Exactly(known), "MET-52"))
    return Permitted(LISTED, tuple(expects), _learn)


def _are_ranges(seen: object) -> bool:
    return isinstance(seen, Mapping) and all(0 <= least <= most for least, most in seen.values())


def _suffices(seen: object) -> bool:
    return isinstance(seen, Mapping) and seen.keys() >= REQUIRED


def _unknown(own: tuple[int, int] | None) -> Permitted:
    def tells_own(seen: object) -> bool:
        return isinstance(seen, Mapping) and API_VERSIONS in seen and own in (None, seen[API_VERSIONS])

    return Permitted(
        UNKNOWN_VERSION,
        (
            error(ErrorCode.UNSUPPORTED_VERSION, "MET-53"),
            Expect("form", Exactly(0), "MET-53"),
            Expect("versions", Meets(f"ApiVersions with {own or 'its versions'}", tells_own), "MET-53", vital=False),
        ),
    )


def _learn(cluster: Cluster, answer: Values) -> Cluster:
    seen = answer.get("versions")
    return evolve(cluster, api_ranges=seen) if isinstance(seen, Mapping) else cluster
