"""Incremental fetch sessions (KIP-227): what a client has asked for before, and what it was told.

A full fetch may open a session; later fetches name it, send only what changed, and are answered only with what
changed (`FetchSession`, `FetchManager`). The cache holds a bounded number of sessions, and gives up those unused for
two minutes, or smaller ones for larger. Times are passed in, in milliseconds.
"""

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import attrs

from impl.errors import BrokerError, ErrorCode

NO_SESSION: Final = 0
INITIAL_EPOCH: Final = 0
FINAL_EPOCH: Final = -1
EPOCH_MAX: Final = 2**31 - 1
EVICTION_MS: Final = 120_000  # FetchSession's MIN_INCREMENTAL_FETCH_SESSION_EVICTION_MS

# The topic's name, or its id (16 bytes) where requests use ids, and the partition.
PartitionKey = tuple[str | bytes, int]


@attrs.frozen(slots=True)
class PartitionFetch:
    """What a client asks of one partition; epochs are -1 where the client does not give them."""

    offset: int
    log_start_offset: int
    bytes_max: int
    current_leader_epoch: int = -1
    last_fetched_epoch: int = -1


@attrs.frozen(slots=True)
class Told:
    """What decides whether a partition has news: its error, offsets, and whether records or a divergence come."""

    error: ErrorCode
    high_watermark: int
    log_start_offset: int
    has_records: bool = False
    is_diverging: bool = False


@attrs.define(slots=True)
class _CachedPartition:
    request: PartitionFetch
    high_watermark: int = -1
    log_start_offset: int = -1

    def has_news(self, told: Told) -> bool:
        """Whether the client must be told; notes what it then knows (`CachedPartition.maybeUpdateResponseData`)."""
        news = told.has_records or told.is_diverging
        if self.high_watermark != told.high_watermark:
            self.high_watermark = told.high_watermark
            news = True
        if self.log_start_offset != told.log_start_offset:
            self.log_start_offset = told.log_start_offset
            news = True
        if told.error != ErrorCode.NONE:
            self.high_watermark = -1  # so that the partition is sent again when the error is over
            news = True
        return news


@attrs.define(slots=True)
class _Session:
    session_id: int
    uses_topic_ids: bool
    partitions: dict[PartitionKey, _CachedPartition]
    created_ms: int
    used_ms: int
    epoch: int = 1
    cached_size: int = 0


@attrs.frozen(slots=True)
class FetchContext:
    """How one fetch is to be carried out: its partitions, in order, and how to finish it."""

    partitions: Mapping[PartitionKey, PartitionFetch]
    finish: Callable[[Mapping[PartitionKey, Told]], tuple[int, Iterable[PartitionKey]]]


class FetchSessions:
    """The broker's cache of sessions; `slots_max` is `max.incremental.fetch.session.cache.slots`."""

    def __init__(self, slots_max: int, pick_id: Callable[[], int] | None = None) -> None:
        self._slots_max = slots_max
        self._pick_id = pick_id or (lambda: random.randrange(1, EPOCH_MAX))  # noqa: S311 - only to be distinct
        self._sessions: dict[int, _Session] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def context(
        self,
        session_id: int,
        epoch: int,
        named: Mapping[PartitionKey, PartitionFetch],
        forgotten: Sequence[PartitionKey],
        now_ms: int,
        *,
        uses_topic_ids: bool,
    ) -> FetchContext:
        """The context of a fetch (`FetchManager.newContext`).

        Raises FETCH_SESSION_ID_NOT_FOUND, INVALID_FETCH_SESSION_EPOCH or FETCH_SESSION_TOPIC_ID_ERROR.
        """
        if epoch in (INITIAL_EPOCH, FINAL_EPOCH):
            self._sessions.pop(session_id, None)
            if epoch == FINAL_EPOCH:
                return FetchContext(named, lambda told: (NO_SESSION, told))
            return FetchContext(named, lambda told: self._open(named, told, now_ms, uses_topic_ids=uses_topic_ids))
        session = self._sessions.get(session_id)
        if session is None:
            raise BrokerError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if session.epoch != epoch:
            raise BrokerError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        if session.uses_topic_ids != uses_topic_ids:
            raise BrokerError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        self._update(session, named, forgotten, now_ms)
        if not session.partitions:
            del self._sessions[session_id]
            return FetchContext(named, lambda told: (NO_SESSION, told))
        asked = {key: cached.request for key, cached in session.partitions.items()}
        expected = session.epoch
        return FetchContext(asked, lambda told: self._answer(session, expected, told))

    def _update(
        self,
        session: _Session,
        named: Mapping[PartitionKey, PartitionFetch],
        forgotten: Sequence[PartitionKey],
        now_ms: int,
    ) -> None:
        """Take over what the request changes, and move on to the next epoch."""
        for key, request in named.items():
            cached = session.partitions.get(key)
            if cached is None:
                session.partitions[key] = _CachedPartition(request)
            else:
                cached.request = request
        for key in forgotten:
            session.partitions.pop(key, None)
        session.used_ms = now_ms
        session.cached_size = len(session.partitions)
        session.epoch = 1 if session.epoch == EPOCH_MAX else session.epoch + 1

    def _answer(
        self, session: _Session, expected_epoch: int, told: Mapping[PartitionKey, Told]
    ) -> tuple[int, Iterable[PartitionKey]]:
        """Which partitions an incremental answer names. Those with records go to the end of the next round."""
        if session.epoch != expected_epoch:
            raise BrokerError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        selected = []
        for key, news in told.items():
            cached = session.partitions.get(key)
            if cached is not None and cached.has_news(news):
                selected.append(key)
                if news.has_records:
                    session.partitions[key] = session.partitions.pop(key)
        return session.session_id, selected

    def _open(
        self,
        named: Mapping[PartitionKey, PartitionFetch],
        told: Mapping[PartitionKey, Told],
        now_ms: int,
        *,
        uses_topic_ids: bool,
    ) -> tuple[int, Iterable[PartitionKey]]:
        """Open a session for a full fetch if there is room for it."""
        if len(self._sessions) >= self._slots_max and not self._evict(len(told), now_ms):
            return NO_SESSION, told
        partitions = {
            key: _CachedPartition(named[key], news.high_watermark, news.log_start_offset) for key, news in told.items()
        }
        session_id = self._pick_id()
        while session_id in self._sessions or session_id == NO_SESSION:
            session_id = self._pick_id()
        session = _Session(session_id, uses_topic_ids, partitions, now_ms, now_ms, cached_size=len(partitions))
        self._sessions[session_id] = session
        return session_id, told

    def _evict(self, size: int, now_ms: int) -> bool:
        """Make room for a session of `size` partitions: from a stale one, or from an old and not larger one."""
        if not self._sessions:
            return False
        oldest = min(self._sessions.values(), key=lambda session: (session.used_ms, session.session_id))
        if now_ms - oldest.used_ms > EVICTION_MS:
            del self._sessions[oldest.session_id]
            return True
        old = [each for each in self._sessions.values() if now_ms - each.created_ms > EVICTION_MS]
        smallest = min(old, key=lambda session: (session.cached_size, session.session_id), default=None)
        if smallest is None or (size, 0) < (smallest.cached_size, smallest.session_id):
            return False
        del self._sessions[smallest.session_id]
        return True
