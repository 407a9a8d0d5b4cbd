"""Incremental fetch sessions: what is told again, what is not, and which sessions are given up."""

from collections.abc import Mapping, Sequence
from itertools import count

import pytest

from impl.errors import BrokerError, ErrorCode
from impl.replica.fetch_session import EVICTION_MS, FetchSessions, PartitionFetch, PartitionKey, Told

A, B = ("t", 0), ("t", 1)
ASKED = PartitionFetch(0, -1, 1000)
QUIET = Told(ErrorCode.NONE, 5, 0)


def sessions(slots: int = 10) -> FetchSessions:
    ids = count(1)
    return FetchSessions(slots, lambda: next(ids))


def fetch(
    cache: FetchSessions,
    session_id: int,
    epoch: int,
    named: Mapping[PartitionKey, PartitionFetch],
    told: Mapping[PartitionKey, Told],
    forgotten: Sequence[PartitionKey] = (),
    now_ms: int = 0,
    *,
    ids: bool = False,
) -> tuple[int, list[PartitionKey]]:
    """Carry out a fetch whose partitions have the news `told`; answers session id and partitions named."""
    context = cache.context(session_id, epoch, named, forgotten, now_ms, uses_topic_ids=ids)
    answered, selected = context.finish({key: told[key] for key in context.partitions})
    return answered, list(selected)


def refused(cache: FetchSessions, session_id: int, epoch: int, *, ids: bool = False) -> ErrorCode:
    with pytest.raises(BrokerError) as error:
        cache.context(session_id, epoch, {}, (), 0, uses_topic_ids=ids)
    return error.value.code


def test_a_full_fetch_opens_a_session_and_later_ones_tell_only_news() -> None:
    cache = sessions()
    news = Told(ErrorCode.NONE, 6, 0, has_records=True)
    assert fetch(cache, 0, 0, {A: ASKED, B: ASKED}, {A: QUIET, B: QUIET}) == (1, [A, B])
    assert fetch(cache, 1, 1, {}, {A: QUIET, B: QUIET}) == (1, [])
    assert fetch(cache, 1, 2, {}, {A: QUIET, B: news}) == (1, [B])
    assert fetch(cache, 1, 3, {}, {A: Told(ErrorCode.NONE, 5, 3), B: Told(ErrorCode.NONE, 6, 0)}) == (1, [A])


def test_an_error_is_told_each_time_and_its_end_too() -> None:
    cache = sessions()
    failed = Told(ErrorCode.OFFSET_OUT_OF_RANGE, -1, -1)
    assert fetch(cache, 0, 0, {A: ASKED}, {A: QUIET}) == (1, [A])
    assert fetch(cache, 1, 1, {}, {A: failed}) == (1, [A])
    assert fetch(cache, 1, 2, {}, {A: failed}) == (1, [A])
    assert fetch(cache, 1, 3, {}, {A: QUIET}) == (1, [A])
    assert fetch(cache, 1, 4, {}, {A: QUIET}) == (1, [])


def test_partitions_are_added_and_forgotten() -> None:
    cache = sessions()
    fetch(cache, 0, 0, {A: ASKED}, {A: QUIET})
    assert fetch(cache, 1, 1, {B: ASKED}, {A: QUIET, B: QUIET}) == (1, [B])
    assert fetch(cache, 1, 2, {}, {B: Told(ErrorCode.NONE, 9, 0)}, forgotten=[A]) == (1, [B])
    assert fetch(cache, 1, 3, {}, {}, forgotten=[B]) == (0, [])
    assert len(cache) == 0


def test_partitions_with_records_are_read_last_the_next_time() -> None:
    cache = sessions()
    fetch(cache, 0, 0, {A: ASKED, B: ASKED}, {A: QUIET, B: QUIET})
    fetch(cache, 1, 1, {}, {A: Told(ErrorCode.NONE, 5, 0, has_records=True), B: QUIET})
    context = cache.context(1, 2, {}, (), 0, uses_topic_ids=False)
    assert list(context.partitions) == [B, A]


def test_a_wrong_id_epoch_or_kind_of_topic_is_refused() -> None:
    cache = sessions()
    fetch(cache, 0, 0, {A: ASKED}, {A: QUIET})
    assert refused(cache, 2, 1) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert refused(cache, 1, 2) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert refused(cache, 1, 1, ids=True) == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    fetch(cache, 1, 1, {}, {A: QUIET})
    assert refused(cache, 1, 1) == ErrorCode.INVALID_FETCH_SESSION_EPOCH


def test_a_final_epoch_closes_a_session_and_a_full_fetch_replaces_it() -> None:
    cache = sessions()
    fetch(cache, 0, 0, {A: ASKED}, {A: QUIET})
    assert fetch(cache, 1, 0, {A: ASKED}, {A: QUIET}) == (2, [A])
    assert refused(cache, 1, 1) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert fetch(cache, 2, -1, {A: ASKED}, {A: QUIET}) == (0, [A])
    assert len(cache) == 0


def test_without_room_there_is_no_session() -> None:
    cache = sessions(slots=1)
    assert fetch(cache, 0, 0, {A: ASKED}, {A: QUIET}) == (1, [A])
    assert fetch(cache, 0, 0, {A: ASKED, B: ASKED}, {A: QUIET, B: QUIET}) == (0, [A, B])
    assert fetch(sessions(slots=0), 0, 0, {A: ASKED}, {A: QUIET}) == (0, [A])


def test_a_session_unused_for_long_makes_room() -> None:
    cache = sessions(slots=1)
    fetch(cache, 0, 0, {A: ASKED, B: ASKED}, {A: QUIET, B: QUIET})
    assert fetch(cache, 0, 0, {A: ASKED}, {A: QUIET}, now_ms=EVICTION_MS) == (0, [A])
    assert fetch(cache, 0, 0, {A: ASKED}, {A: QUIET}, now_ms=EVICTION_MS + 1) == (2, [A])


def test_an_old_session_makes_room_for_one_that_is_not_smaller() -> None:
    cache = sessions(slots=1)
    fetch(cache, 0, 0, {A: ASKED, B: ASKED}, {A: QUIET, B: QUIET})
    later = EVICTION_MS + 1
    fetch(cache, 1, 1, {}, {A: QUIET, B: QUIET}, now_ms=later)
    assert fetch(cache, 0, 0, {A: ASKED}, {A: QUIET}, now_ms=later) == (0, [A])
    third = ("t", 2)
    wide: dict[PartitionKey, PartitionFetch] = {A: ASKED, B: ASKED, third: ASKED}
    assert fetch(cache, 0, 0, wide, dict.fromkeys(wide, QUIET), now_ms=later)[0] == 2
