"""FindCoordinator, and groups as far as simple consumers have them: list, describe, delete.

This broker coordinates every group. Groups have no members yet, so each is Empty, or Dead when it is unknown.
"""

from typing import Final

from kafka.protocol.admin import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    ListGroupsRequest,
    ListGroupsResponse,
)
from kafka.protocol.metadata import FindCoordinatorRequest, FindCoordinatorResponse

from impl.errors import INVALID_REQUEST_TEXT, ErrorCode
from impl.server.apis import Request
from impl.server.broker import Broker
from impl.server.framing import Reply
from impl.server.messages import decode, encode

GROUP: Final = 0
TRANSACTION: Final = 1
SHARE: Final = 2
FIRST_WITH_SHARE: Final = 6
# Read, delete and describe, as bits of AclOperation: what Kafka lists for a group without an authorizer.
GROUP_OPERATIONS: Final = {3, 6, 8}
FIRST_WITH_KEYS: Final = 4
FIRST_WITH_OPERATIONS: Final = 3
EMPTY: Final = "Empty"
DEAD: Final = "Dead"
CLASSIC: Final = "classic"

Coordinator = FindCoordinatorResponse.Coordinator
Described = DescribeGroupsResponse.DescribedGroup
Listed = ListGroupsResponse.ListedGroup
Deleted = DeleteGroupsResponse.DeletableGroupResult


def find_coordinator(broker: Broker, request: Request) -> Reply:
    """This broker for groups and transactional ids; nobody for share groups, which are not here."""
    message = decode(FindCoordinatorRequest, request)
    kind = message.key_type if request.version >= 1 else GROUP
    node = (-1, "", -1)
    code, text = ErrorCode.INVALID_REQUEST, INVALID_REQUEST_TEXT
    if kind == SHARE and request.version >= FIRST_WITH_KEYS:
        text = ""
    if kind in (GROUP, TRANSACTION):
        node = (broker.node_id, broker.host, broker.port)
        code, text = ErrorCode.NONE, ""
    elif kind == SHARE and request.version >= FIRST_WITH_SHARE:
        code, text = ErrorCode.COORDINATOR_NOT_AVAILABLE, ""
    if request.version >= FIRST_WITH_KEYS:
        found = [
            Coordinator(key=key, node_id=node[0], host=node[1], port=node[2], error_code=code, error_message=text)
            for key in message.coordinator_keys
        ]
        return encode(FindCoordinatorResponse(throttle_time_ms=0, coordinators=found), request)
    response = FindCoordinatorResponse(
        throttle_time_ms=0,
        error_code=code,
        error_message="NONE" if code == ErrorCode.NONE else text,
        node_id=node[0],
        host=node[1],
        port=node[2],
    )
    return encode(response, request)


def list_groups(broker: Broker, request: Request) -> Reply:
    """All groups with committed offsets."""
    message = decode(ListGroupsRequest, request)
    states = {state.lower() for state in message.states_filter or []}
    types = {kind.lower() for kind in message.types_filter or []}
    wanted = (not states or EMPTY.lower() in states) and (not types or CLASSIC in types)
    groups = [
        Listed(group_id=group, protocol_type="", group_state=EMPTY, group_type=CLASSIC)
        for group in (broker.offsets.groups() if wanted else [])
    ]
    return encode(ListGroupsResponse(throttle_time_ms=0, error_code=0, groups=groups), request)


def describe_groups(broker: Broker, request: Request) -> Reply:
    """The state of groups: they have no members."""
    message = decode(DescribeGroupsRequest, request)
    groups = []
    for group in message.groups:
        is_known = bool(broker.offsets.of_group(group))
        described = Described(
            error_code=0,
            group_id=group,
            group_state=EMPTY if is_known else DEAD,
            protocol_type="",
            protocol_data="",
            members=[],
        )
        if request.version >= FIRST_WITH_OPERATIONS and message.include_authorized_operations:
            described.authorized_operations = GROUP_OPERATIONS
        groups.append(described)
    return encode(DescribeGroupsResponse(throttle_time_ms=0, groups=groups), request)


def delete_groups(broker: Broker, request: Request) -> Reply:
    """Forget groups and their offsets (KIP-229)."""
    message = decode(DeleteGroupsRequest, request)
    results = []
    for group in dict.fromkeys(message.groups_names):
        is_known = broker.offsets.remove_group(group, broker.now_ms())
        code = ErrorCode.NONE if is_known else ErrorCode.GROUP_ID_NOT_FOUND
        results.append(Deleted(group_id=group, error_code=code))
    return encode(DeleteGroupsResponse(throttle_time_ms=0, results=results), request)
