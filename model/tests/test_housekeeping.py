"""What retention and compaction must leave of a partition that clients look at."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from model.profiles import profile_named
from model.reference.batch import Batch, Record
from model.reference.housekeeping import kept, leftover, segments_of
from model.reference.operations import LookAtLogs
from model.reference.oracle import Context, allowed
from model.reference.outcomes import Values, judge
from model.reference.state import Cluster, Partition, Stored, Topic

DAY_MS = 86_400_000
NOW = 20_000 * DAY_MS
CONTEXT = Context(profile_named("3.9-kraft"), 0, NOW, NOW)
SIZE = 100
LOOK = LookAtLogs(topic="t")


def partition_of(*batches: tuple[str, int]) -> Partition:
    """A partition with batches of records (`a=1 b=2`; without a value: a tombstone) that are so many days old."""
    entries: list[Stored] = []
    for words, days in batches:
        parts = [word.partition("=") for word in words.split()]
        time_ms = NOW - days * DAY_MS
        records = tuple(Record(v.encode() if sign else None, key=k.encode(), timestamp=time_ms) for k, sign, v in parts)
        base = entries[-1].next_offset if entries else 0
        entries.append(Stored(Batch(records=records, base_offset=base), SIZE))
    return Partition(log_end_offset=entries[-1].next_offset, entries=tuple(entries))


def topic_of(partition: Partition, **config: str) -> Topic:
    settings = {name.replace("_", "."): value for name, value in config.items()}
    return Topic("t", (partition,), config={"segment.ms": "1000", "retention.ms": "-1", **settings})


def wrong(topic: Topic, **seen: object) -> set[str]:
    """The requirements that a look with these fields breaks."""
    (_, section) = allowed(Cluster({"t": topic}), LOOK, CONTEXT)
    values: Values = {"error": 0, **seen}
    return {each.requirement for each in judge(section, values).mismatches}


FOUR_DAYS = partition_of(*(("k=v", days) for days in (4, 3, 2, 1)))


def test_a_batch_that_is_later_by_more_than_segment_ms_begins_a_segment() -> None:
    same = partition_of(("a=1", 2), ("b=1", 2), ("c=1", 1))
    assert [each.base_offset for each in segments_of(topic_of(same), same, CONTEXT)] == [0, 2]


def test_segments_are_told_from_what_is_left() -> None:
    left = evolve(FOUR_DAYS, log_start_offset=2, entries=FOUR_DAYS.entries[2:])
    assert [each.base_offset for each in segments_of(topic_of(left), left, CONTEXT)] == [2, 3]
    nothing = evolve(FOUR_DAYS, log_start_offset=4, entries=())
    assert [each.base_offset for each in segments_of(topic_of(nothing), nothing, CONTEXT)] == [4]


def starts(**config: str) -> int:
    return kept(topic_of(FOUR_DAYS, **config), FOUR_DAYS, CONTEXT).log_start_offset


def test_where_the_log_starts() -> None:
    assert starts() == 0
    assert starts(retention_bytes=str(3 * SIZE)) == 1
    assert starts(retention_bytes=str(3 * SIZE + 1)) == 0
    assert starts(retention_ms=str(2 * DAY_MS)) == 2
    assert starts(retention_ms=str(DAY_MS // 2)) == 4


def test_which_requirement_a_wrong_start_breaks() -> None:
    assert wrong(topic_of(FOUR_DAYS, retention_bytes=str(SIZE)), start=0) == {"RET-14"}
    assert wrong(topic_of(FOUR_DAYS, retention_ms=str(2 * DAY_MS)), start=0) == {"RET-15"}
    assert wrong(topic_of(FOUR_DAYS, retention_ms="0"), start=3) == {"RET-17"}
    assert wrong(topic_of(FOUR_DAYS, retention_bytes="0"), start=3) == {"RET-14"}
    assert wrong(topic_of(FOUR_DAYS), start=1) == {"RET-18"}
    raised = evolve(FOUR_DAYS, log_start_offset=1, entries=FOUR_DAYS.entries[1:])
    assert wrong(topic_of(raised), start=0) == {"RET-20"}
    assert wrong(topic_of(raised), start=1, below=0) == {"RET-16"}


COMPACTABLE = partition_of(("a=1 b=1", 5), ("a=2 c=1", 4), ("b", 3), ("c=2", 2))


def records(*words: str) -> tuple[tuple[int, bytes, bytes | None], ...]:
    """Records like `0:a=1`, and without a value `4:b`."""
    found = []
    for word in words:
        offset, _, rest = word.partition(":")
        key, sign, value = rest.partition("=")
        found.append((int(offset), key.encode(), value.encode() if sign else None))
    return tuple(found)


ALL = records("0:a=1", "1:b=1", "2:a=2", "3:c=1", "4:b", "5:c=2")


def left_out(*offsets: int) -> Sequence[tuple[int, bytes, bytes | None]]:
    return tuple(each for each in ALL if each[0] not in offsets)


def test_what_compaction_leaves() -> None:
    left = leftover(topic_of(COMPACTABLE, cleanup_policy="compact"), COMPACTABLE, CONTEXT)
    assert left.end == 5
    assert left.kept == left_out(0, 1)
    assert left.outdated == {0, 1}
    assert left.tombstones == {4}


def wrong_records(*offsets: int, compacted_to: int = 0, **config: str) -> set[str]:
    """The requirements broken where these offsets are gone."""
    partition = evolve(COMPACTABLE, compacted_to=compacted_to)
    return wrong(topic_of(partition, cleanup_policy="compact", **config), records=left_out(*offsets))


def test_which_requirement_wrong_records_break() -> None:
    assert wrong_records(0, 1) == set()
    assert wrong_records(0) == {"CMP-16"}
    assert wrong_records(0, 1, 2) == {"CMP-15"}
    assert wrong_records(0, 1, 2, retention_ms="0") == {"RET-19"}
    assert wrong_records(0, 1, 5) == {"CMP-19"}
    assert wrong_records(0, 1, 4) == {"CMP-20"}
    reordered = tuple(reversed(left_out(0, 1)))
    assert wrong(topic_of(COMPACTABLE, cleanup_policy="compact"), records=reordered) == {"CMP-22"}
    assert wrong(topic_of(COMPACTABLE, cleanup_policy="compact"), start=1) == {"CMP-18"}
    assert wrong(topic_of(COMPACTABLE, cleanup_policy="compact"), between=((0, 2, None),)) == {"CMP-17"}


def test_tombstones_that_need_not_stay_go_the_second_time() -> None:
    assert wrong_records(0, 1, delete_retention_ms="0") == set()
    assert wrong_records(0, 1, 4, delete_retention_ms="0") == set()
    later = partition_of(("a=1 b=1", 5), ("a=2 c=1", 4), ("b", 3), ("c=2", 2), ("d=1", 1))
    config = {"cleanup_policy": "compact", "delete_retention_ms": "0", "min_cleanable_dirty_ratio": "0.2"}
    seen = (*left_out(0, 1, 3), *records("6:d=1"))
    assert wrong(topic_of(later, **config), records=seen) == set()
    compacted = evolve(later, compacted_to=5)
    assert wrong(topic_of(compacted, **config), records=seen) == {"CMP-21"}
    assert wrong(topic_of(compacted, **{**config, "min_cleanable_dirty_ratio": "0.3"}), records=seen) == set()


def test_what_is_clean_enough_stays_as_the_last_compaction_left_it() -> None:
    """Of four segments three are clean, so that a quarter is dirty."""
    later = partition_of(("a=1 b=1", 5), ("a=2 c=1", 4), ("b", 3), ("c=2", 2), ("d=1", 1))
    for ratio, ends in (("0.25", 5), ("0.24", 6)):
        topic = topic_of(evolve(later, compacted_to=5), cleanup_policy="compact", min_cleanable_dirty_ratio=ratio)
        left = leftover(topic, topic.partitions[0], CONTEXT)
        assert left.compacted_to == ends
        assert left.outdated == ({0, 1} if ends == 5 else {0, 1, 3})
        assert left.kept == (*left_out(0, 1, 3), *records("6:d=1"))


def test_a_look_moves_the_start() -> None:
    cluster = Cluster({"t": topic_of(FOUR_DAYS, retention_ms=str(2 * DAY_MS))})
    (_, section) = allowed(cluster, LOOK, CONTEXT)
    partition = section.choices[0].then(cluster, {}).topics["t"].partitions[0]
    assert partition.log_start_offset == 2
    assert [each.base_offset for each in partition.entries] == [2, 3]


def wrong_of_both(*gone: int, start: int = 0, **config: str) -> set[str]:
    """The requirements broken where these offsets of a topic that is compacted and deleted from are gone."""
    topic = topic_of(COMPACTABLE, cleanup_policy="compact,delete", **config)
    return wrong(topic, start=start, records=left_out(*gone))


def test_who_is_compacted_and_deleted_from() -> None:
    assert wrong_of_both(0, 1) == set()
    assert wrong_of_both(0) == {"CMP-23"}
    assert wrong_of_both(0, 1, 2) == {"RET-23"}
    old, much = str(5 * DAY_MS // 2), str(SIZE)
    assert wrong_of_both(0, 1, start=0, retention_ms=old) == {"RET-21"}
    assert wrong_of_both(0, 1, start=0, retention_bytes=much) == {"RET-22"}
    assert wrong_of_both(0, 1, 2, 3, 4, start=5, retention_ms=old) == set()
    assert wrong_of_both(0, 1, 2, 3, 4, start=5, retention_bytes=much) == set()
    assert wrong_of_both(0, 1, 2, 3, 4, 5, start=6, retention_ms=old) == {"RET-23", "CMP-19"}
    topic = topic_of(COMPACTABLE, cleanup_policy="compact,delete", retention_ms=old)
    assert wrong(topic, start=5, below=0) == {"RET-16"}
    assert wrong_of_both(0, 1, 2, 3, 4, start=5, retention_ms="0") == {"RET-17"}
    assert wrong_of_both(0, 1, 2, 3, min_compaction_lag_ms=str(9 * DAY_MS // 2)) == {"CMP-24", "RET-23"}


def test_compaction_or_retention_may_run_first() -> None:
    """Of a segment that is too old beside one that is not, compaction may make one."""
    some_are_old = str(9 * DAY_MS // 2)
    for start in (0, 2):
        assert wrong_of_both(0, 1, start=start, retention_ms=some_are_old) == set()
    assert wrong_of_both(0, 1, 2, start=2, retention_ms=some_are_old) == {"RET-23"}
    assert wrong_of_both(0, 1, 2, 3, start=4, retention_ms=some_are_old) == {"RET-23"}


def test_where_both_have_run_the_log_starts_where_it_was_seen_to() -> None:
    topic = topic_of(COMPACTABLE, cleanup_policy="delete, compact", retention_ms=str(5 * DAY_MS // 2))
    cluster = Cluster({"t": topic})
    (_, section) = allowed(cluster, LOOK, CONTEXT)
    partition = section.choices[0].then(cluster, {"start": 5}).topics["t"].partitions[0]
    assert (partition.log_start_offset, partition.compacted_to) == (5, 5)
    assert [each.base_offset for each in partition.entries] == [5]


def test_what_is_too_young_to_be_compacted_stays_and_lets_nothing_go() -> None:
    lag = str(9 * DAY_MS // 2)
    assert wrong_records(min_compaction_lag_ms=lag) == set()
    for gone in (0, 1, 2, 3, 4):
        assert wrong_records(gone, min_compaction_lag_ms=lag) == {"CMP-24"}
    assert wrong_records(5, min_compaction_lag_ms=lag) == {"CMP-19"}


def test_what_is_old_enough_is_compacted() -> None:
    lag = str(5 * DAY_MS // 2)
    assert wrong_records(0, 1, min_compaction_lag_ms=lag) == set()
    assert wrong_records(1, min_compaction_lag_ms=lag) == {"CMP-25"}


def test_what_waited_for_too_long_is_compacted_though_the_log_is_clean_enough() -> None:
    for days, broken in ((4, True), (6, False)):
        found = wrong_records(min_cleanable_dirty_ratio="1", max_compaction_lag_ms=str(days * DAY_MS))
        assert found == ({"CMP-26"} if broken else set())


def test_whatever_else_is_set_it_is_the_lag_that_lets_a_clean_log_be_compacted() -> None:
    for look in (wrong_of_both, wrong_records):
        for lag in (0, DAY_MS):
            assert look(
                min_cleanable_dirty_ratio="1",
                max_compaction_lag_ms=str(4 * DAY_MS),
                min_compaction_lag_ms=str(lag),
            ) == {"CMP-26"}
    assert wrong_of_both() == {"CMP-23"}


def test_a_compacted_segment_ends_by_max_compaction_lag_too() -> None:
    config = {"segment_ms": str(9 * DAY_MS), "max_compaction_lag_ms": str(DAY_MS // 2)}
    for policy, bases in (("compact", [0, 2, 4, 5]), ("delete", [0])):
        topic = topic_of(COMPACTABLE, cleanup_policy=policy, **config)
        assert [each.base_offset for each in segments_of(topic, COMPACTABLE, CONTEXT)] == bases
