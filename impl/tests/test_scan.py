"""Recovery reads many batches at once, and finds what reading them one by one finds, however the pieces fall."""

from collections.abc import Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.storage import native, scan
from impl.storage.batch import (
    CONTROL_BIT,
    HEADER_SIZE,
    MAGIC,
    TRANSACTIONAL_BIT,
    BatchHeader,
    CorruptBatchError,
    parse_header,
    stored_crc_matches,
)
from impl.storage.producer_state import ProducerState
from impl.storage.recovery import recover_segment
from impl.storage.segment import RELATIVE_OFFSET_MAX, Segment
from impl.storage.simulated import SimulatedFileSystem
from impl.tests.support import LIMITS, NOW, make_batch, records

BASE = 100
PRODUCERS = st.integers(-1, 2)


@st.composite
def appended(draw: st.DrawFn) -> list[bytes]:
    """Batches of several producers and epochs, with gaps, some with control records, some with impossible offsets."""
    found, offset, epoch = [], BASE, 0
    for _ in range(draw(st.integers(0, 12))):
        offset += draw(st.integers(0, 2))
        epoch += draw(st.integers(0, 1))
        producer = draw(PRODUCERS)
        count = draw(st.integers(1, 3))
        delta = draw(st.sampled_from([count - 1] * 9 + [-1, 2**31 - 1]))
        found.append(
            bytes(
                make_batch(
                    records(*[b"x" * draw(st.sampled_from([0, 10, 300]))] * count),
                    time_ms=NOW + draw(st.integers(-5, 5)),
                    base_offset=offset,
                    last_offset_delta=delta,
                    partition_leader_epoch=epoch,
                    producer_id=producer,
                    producer_epoch=draw(st.integers(0, 1)) if producer >= 0 else -1,
                    base_sequence=draw(st.integers(0, 9)) if producer >= 0 else -1,
                    attributes=draw(st.sampled_from([0, 0, TRANSACTIONAL_BIT, TRANSACTIONAL_BIT | CONTROL_BIT])),
                )
            )
        )
        offset += delta + 1
    return found


def damaged(content: bytes, draw: st.DataObject) -> bytes:
    """The content, perhaps cut, with a byte changed, or with zeros at its end."""
    kind = draw.draw(st.sampled_from(["whole", "cut", "changed", "zeros"]))
    if not content or kind == "whole":
        return content
    place = draw.draw(st.integers(0, len(content) - 1))
    if kind == "cut":
        return content[:place]
    if kind == "zeros":
        return content + bytes(place)
    return content[:place] + bytes([content[place] ^ draw.draw(st.integers(1, 255))]) + content[place + 1 :]


def one_by_one(content: bytes) -> list[tuple[int, BatchHeader]]:
    """The good batches and their positions."""
    found: list[tuple[int, BatchHeader]] = []
    position, next_offset = 0, BASE
    while len(content) - position >= HEADER_SIZE:
        try:
            header = parse_header(content, position)
        except CorruptBatchError:
            break
        batch = content[position : position + header.size]
        if header.magic != MAGIC or not HEADER_SIZE <= header.size == len(batch) or not stored_crc_matches(batch):
            break
        if header.base_offset < next_offset or header.last_offset_delta < 0:
            break
        if header.last_offset > BASE + RELATIVE_OFFSET_MAX:
            break
        found.append((position, header))
        position, next_offset = position + header.size, header.next_offset
    return found


def segment_of(content: bytes) -> Segment:
    files, directory = SimulatedFileSystem(), Path("/log")
    files.make_directory(directory)
    limits = attrs.evolve(LIMITS, index_interval_bytes=200)
    with_content = files.open(directory / f"{BASE:020d}.log", create=True)
    with_content.write_at(0, (content,))
    with_content.close()
    return Segment(files, directory, BASE, limits, NOW)


def learned(told: Sequence[BatchHeader], appended: Sequence[BatchHeader]) -> tuple[object, ...]:
    """What is known of producers after what was told: a snapshot, what of the log is a duplicate; and new epochs."""
    producers, epochs = ProducerState(), [-1]
    for header in told:
        producers.note(header)
        if header.partition_leader_epoch > epochs[-1]:
            epochs.append(header.partition_leader_epoch)
    return producers.snapshot(), [producers.find_duplicate(header) for header in appended], epochs


NATIVE = scan.Loops(native.ends_of_whole, native.far_enough)
LOOPS = pytest.mark.parametrize(
    "loops", [scan.PLAIN, pytest.param(NATIVE, marks=pytest.mark.skipif(not native.is_possible(), reason="no SSE 4.2"))]
)


@LOOPS
@pytest.mark.parametrize("read_size", [HEADER_SIZE, 200, 1000, scan.READ_SIZE])
@given(contents=appended(), data=st.data())
def test_the_same_is_found_as_one_by_one(
    read_size: int, loops: scan.Loops, contents: list[bytes], data: st.DataObject
) -> None:
    content = damaged(b"".join(contents), data)
    expected = one_by_one(content)
    segment = segment_of(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "READ_SIZE", read_size)
        progress: list[int] = []
        found = list(scan.good_batches(segment, progress.append, loops))
    positions = [batches.position + end for batches in found for end in batches.ends[:-1]]
    assert positions == [position for position, _ in expected]
    assert [batches.end for batches in found][-1:] == [position + header.size for position, header in expected[-1:]]
    assert sum(progress) == sum(header.size for _, header in expected)
    assert [offset for batches in found for offset in batches.last_offsets] == [
        header.last_offset for _, header in expected
    ]
    told: list[BatchHeader] = []
    for batches in found:
        told += batches.telling(max((header.partition_leader_epoch for header in told), default=-1))
    headers = [header for _, header in expected]
    assert learned(told, headers) == learned(headers, headers)


@LOOPS
@given(contents=appended())
def test_the_indexes_are_those_of_appending(loops: scan.Loops, contents: list[bytes]) -> None:
    good = contents[: len(one_by_one(b"".join(contents)))]
    appended_to, recovered = segment_of(b""), segment_of(b"".join(good))
    for batch in good:
        header = parse_header(batch)
        appended_to.append(batch, header, header.max_timestamp)
    appended_to.seal()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "PLAIN", loops)
        end, was_whole = recover_segment(recovered)
    assert was_whole
    assert end == (parse_header(good[-1]).next_offset if good else BASE)
    for suffix in (".index", ".timeindex"):
        assert recovered._files.read_file(recovered.path(suffix)) == appended_to._files.read_file(
            appended_to.path(suffix)
        )


def test_much_work_is_done_by_compiled_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [bytes(make_batch(records(b"x"), base_offset=BASE + number)) for number in range(20)]
    monkeypatch.setattr(scan, "READ_SIZE", 200)
    monkeypatch.setattr(scan, "NATIVE_FROM", 5)
    used = [each.loops for each in scan.good_batches(segment_of(b"".join(contents)), lambda _: None)]
    assert used[0] is scan.PLAIN
    assert (used[-1] is scan.PLAIN) is not native.is_possible()
