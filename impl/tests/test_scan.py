"""Recovery reads many batches at once, and finds what reading them one by one finds, however the pieces fall."""

import ctypes
import mmap
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from impl.storage import native, scan, windows
from impl.storage.batch import (
    CHECKED_FROM,
    CONTROL_BIT,
    HEADER_SIZE,
    MAGIC,
    TRANSACTIONAL_BIT,
    BatchHeader,
    CorruptBatchError,
    parse_header,
    stored_crc_matches,
)
from impl.storage.filesystem import RealFileSystem
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


WALKS = pytest.mark.parametrize(
    "make_walk",
    [
        pytest.param(lambda: scan.walk_in_python, id="python"),
        pytest.param(
            native.Walker, id="native", marks=pytest.mark.skipif(not native.is_possible(), reason="no SSE 4.2")
        ),
    ],
)


def walked_from(segment: Segment) -> scan.Walked:
    """Nothing is known yet."""
    return scan.Walked(BASE, segment.limits.index_interval_bytes, -1, BASE, BASE)


def sizes_of_windows(patch: pytest.MonkeyPatch, size: int) -> None:
    """Let windows be short."""
    patch.setattr(windows, "WINDOW_BYTES", size)
    patch.setattr(windows, "KEPT_BYTES_MAX", size // 2)


@WALKS
@pytest.mark.parametrize("window_bytes", [HEADER_SIZE, 200, 1000, windows.WINDOW_BYTES])
@given(contents=appended(), data=st.data())
def test_the_same_is_found_as_one_by_one(
    window_bytes: int, make_walk: Callable[[], scan.Walk], contents: list[bytes], data: st.DataObject
) -> None:
    content = damaged(b"".join(contents), data)
    expected = one_by_one(content)
    headers = [header for _, header in expected]
    segment = segment_of(content)
    walked, told, count = walked_from(segment), [], 0
    with pytest.MonkeyPatch.context() as patch:
        sizes_of_windows(patch, window_bytes)
        for window, found in scan.good_batches(segment, walked, make_walk()):
            told += [parse_header(window, begin) for begin in found.relevant]
            count += found.count
    assert count == len(expected)
    assert walked.position == sum(header.size for header in headers)
    assert walked.next_offset == (headers[-1].next_offset if headers else BASE)
    assert learned(told, headers) == learned(headers, headers)


@WALKS
@pytest.mark.parametrize("size", [*range(20), *range(690, 720), 2_000, 5_001, 70_000])
def test_every_byte_counts(make_walk: Callable[[], scan.Walk], size: int) -> None:
    chosen = random.Random(size)
    batch = make_batch(records(chosen.randbytes(size)), base_offset=BASE)
    walk = make_walk()
    assert walk(walked_from(segment_of(b"")), memoryview(bytearray(batch))).count == 1
    for place in chosen.choices(range(CHECKED_FROM, len(batch)), k=20):
        changed = bytearray(batch)
        changed[place] ^= 1 << chosen.randrange(8)
        assert walk(walked_from(segment_of(b"")), memoryview(changed)).count == 0


@WALKS
@given(contents=appended())
def test_the_indexes_are_those_of_appending(make_walk: Callable[[], scan.Walk], contents: list[bytes]) -> None:
    good = contents[: len(one_by_one(b"".join(contents)))]
    appended_to, recovered = segment_of(b""), segment_of(b"".join(good))
    for batch in good:
        header = parse_header(batch)
        appended_to.append(batch, header, header.max_timestamp)
    appended_to.seal()
    with pytest.MonkeyPatch.context() as patch:
        sizes_of_windows(patch, 500)
        patch.setattr(scan, "walk_in_python", make_walk())
        end, was_whole = recover_segment(recovered)
    assert was_whole
    assert end == (parse_header(good[-1]).next_offset if good else BASE)
    for suffix in (".index", ".timeindex"):
        assert recovered._files.read_file(recovered.path(suffix)) == appended_to._files.read_file(
            appended_to.path(suffix)
        )
    for name in ("bytes_since_index_entry", "max_timestamp", "offset_of_max_timestamp"):
        assert getattr(recovered, name) == getattr(appended_to, name)


def test_many_batches_are_walked_through_by_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    contents = [bytes(make_batch(records(b"x"), base_offset=BASE + number)) for number in range(20)]
    sizes_of_windows(monkeypatch, 200)
    monkeypatch.setattr(scan, "NATIVE_FROM", 5)
    called: list[int] = []
    walk = native.Walker.__call__

    def noted(walker: native.Walker, walked: scan.Walked, window: memoryview) -> scan.Found:
        called.append(walked.position)
        return walk(walker, walked, window)

    monkeypatch.setattr(native.Walker, "__call__", noted)
    segment = segment_of(b"".join(contents))
    list(scan.good_batches(segment, walked := walked_from(segment)))
    assert walked.next_offset == BASE + 20
    assert bool(called) is native.is_possible()
    assert len(called) < 20 - 1  # not the first


def test_producers_that_share_a_place_are_all_told(monkeypatch: pytest.MonkeyPatch) -> None:
    if not native.is_possible():
        pytest.skip("no SSE 4.2")
    ids = [7, 7 + native.PRODUCERS, 7, 7 + native.PRODUCERS, *[7] * 9]
    contents = [
        bytes(make_batch(records(b"x"), base_offset=BASE + number, producer_id=each, producer_epoch=0, base_sequence=0))
        for number, each in enumerate(ids)
    ]
    content = bytearray(b"".join(contents))
    found = native.Walker()(walked_from(segment_of(b"")), memoryview(content))
    headers = [header for _, header in one_by_one(bytes(content))]
    told = [parse_header(content, begin) for begin in found.relevant]
    assert learned(told, headers) == learned(headers, headers)
    assert len(told) < len(headers)


@pytest.mark.parametrize("size", [0, 1, 1000, 5000])
def test_windows_are_the_file_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    sizes_of_windows(monkeypatch, 512)
    content = random.Random(1).randbytes(size)
    (tmp_path / "file").write_bytes(content)
    read = bytearray()
    found = windows.Windows(RealFileSystem().open(tmp_path / "file"))
    while len(read) < size:
        needed = 700 if len(read) > size // 2 else 1
        window = found.at(len(read), needed)
        assert len(window) >= min(needed, size - len(read))
        assert window == content[len(read) : len(read) + len(window)]
        read += window[: max(len(window) - len(read) % 300, 1)]
    assert read == content


def test_windows_begin_with_a_page(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 * windows.WINDOW_BYTES))
    found = windows.Windows(RealFileSystem().open(tmp_path / "file"))
    for position in (0, windows.WINDOW_BYTES):
        window = found.at(position, 1)
        assert ctypes.addressof(ctypes.c_char.from_buffer(window)) % mmap.PAGESIZE == 0
