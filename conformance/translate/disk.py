"""Histories of a log on a disk, carried out by a target's storage process; its files are looked at by the suite.

What is found amiss after a kill is made so here, in files that nobody has open.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import asdict

from conformance.client import Client, Unsupported
from conformance.targets.base import Target, TargetError
from conformance.targets.process_target import Launch
from conformance.targets.storage import StorageFailedError, StorageProcess, StorageRefusedError
from conformance.translate.base import Conversation, VersionOf, register_conversation
from conformance.translate.parts import numbered
from conformance.wire.batch import decode_batches, encode_batches
from conformance.wire.errors import MalformedAnswer
from model.reference.batch import Batch
from model.reference.disk_log import begun, taken
from model.reference.disk_steps import (
    Append,
    Clean,
    Damage,
    DiskHistory,
    DiskStep,
    Flush,
    FlushOverdue,
    RaiseStart,
    Remove,
    Restart,
    Retain,
)
from model.reference.outcomes import Values
from model.reference.state import Cluster

OFFSET_ENTRY, TIME_ENTRY = struct.Struct(">ii"), struct.Struct(">qi")
INDEXES = (".index", ".timeindex")
LENGTH = struct.Struct(">i")
LENGTH_AT, FRAME_BYTES = 8, 12
GARBAGE = b"\x00\x00\x00\x07" * 64
ZEROS, TOO_FEW = bytes(200), b"\x00" * 7 + b"\x05"


class Disk:
    """A log's directory, and the process that has it open."""

    def __init__(self, launch: Launch, folder: Path, history: DiskHistory) -> None:
        self._history = history
        self._log = begun(history)
        self._directory = folder / "t-0"
        self._may_have_gaps = any(isinstance(each, Clean) for each in history.steps)
        self._process = StorageProcess(launch, folder)
        self._digests: Mapping[str, bytes] = {}
        self.told: Mapping[str, Any] = {}

    def close(self) -> None:
        """End the process."""
        self._process.kill()

    def begin(self) -> None:
        """Begin with an empty log.

        Raises:
            StorageFailedError: the process can't be started, or does not open one.
        """
        self._open(was_clean=True, log_start=0, recovery_point=0, now_ms=0)

    def _open(self, *, was_clean: bool, log_start: int, recovery_point: int, now_ms: int) -> None:
        self._process.start()
        self.told = self._process.ask(
            "open",
            directory=str(self._directory),
            limits=asdict(self._history.limits),
            flush_messages=self._history.flush_messages,
            flush_ms=self._history.flush_ms,
            delete_delay_ms=self._history.delete_delay_ms,
            log_start=log_start,
            recovery_point=recovery_point,
            was_clean=was_clean,
            may_have_gaps=self._may_have_gaps,
            now_ms=now_ms,
        )

    def take(self, step: DiskStep) -> Values:
        """Take a step, and see what the log is then. The first one begins with an empty log.

        Raises:
            StorageFailedError: the process can't do it, or what it leaves on the disk is no log.
            MalformedAnswer: what it reads is no batch.
        """
        if not self.told:
            self.begin()
        match step:
            case Append():
                self.told = self._appended(step)
            case Flush():
                self.told = self._process.ask("flush")
            case Restart():
                self._restart(step)
            case RaiseStart():
                self.told = self._process.ask("raise_start", offset=step.offset)
            case Retain():
                high = self.told["log_end"] if step.high_watermark is None else step.high_watermark
                self.told = self._process.ask("retain", **asdict(step.policy), high_watermark=high, now_ms=step.now_ms)
            case Clean():
                stable = self.told["log_end"] if step.stable_offset is None else step.stable_offset
                self.told = self._process.ask("clean", **asdict(step.policy), stable_offset=stable, now_ms=step.now_ms)
            case FlushOverdue():
                self.told = self._process.ask("flush_overdue", now_ms=step.now_ms)
            case Remove():
                self.told = self._process.ask("remove", now_ms=step.now_ms)
        self._log = taken(self._log, step)
        return self._seen()

    def _appended(self, step: Append) -> Mapping[str, Any]:
        batch = step.batch.at(self.told["log_end"], 0)
        return self._process.ask(
            "append",
            batch=base64.b64encode(encode_batches((batch,))).decode(),
            max_timestamp=batch.max_timestamp,
            last_offset=batch.last_offset,
            now_ms=step.now_ms,
        )

    def _restart(self, step: Restart) -> None:
        if step.clean:
            self.told = self._process.ask("close")
        self._process.kill()
        point = self.told["recovery_point"] if step.clean else self._checkpointed()
        self._damage(step, point)
        start = self.told["log_start"] if step.log_start_offset is None else step.log_start_offset
        self._open(was_clean=step.clean, log_start=start, recovery_point=point, now_ms=step.now_ms)

    def _checkpointed(self) -> int:
        """The recovery point that a kill leaves in the checkpoint: what the steps so far had to flush, and no more.

        A log may flush more than that, as Kafka does when a segment is full (UnifiedLog.roll); but its checkpoint is
        written once in a while (LogManager.checkpointLogRecoveryOffsets), so that it may say less.
        """
        told: int = self.told["recovery_point"]
        return min(told, self._log.recovery_point)

    # -- what is on disk ---------------------------------------------------------------------------------------------

    def _files(self, suffix: str) -> list[Path]:
        return sorted(self._directory.glob(f"*{suffix}"))

    def _segments(self) -> list[Path]:
        """The files of the segments, in order; there is always one."""
        if not (logs := self._files(".log")):
            raise StorageFailedError("there is no segment on the disk")
        return logs

    def _unflushed(self, suffixes: Sequence[str], point: int) -> Iterator[Path]:
        """Files of the segments that a recovery looks at: those from the one that holds the recovery point on.

        Source: LogSegments.values(from, to), by LogLoader.recoverLog.
        """
        first = max((base for each in self._segments() if (base := _base_offset(each)) <= point), default=0)
        return (each for suffix in suffixes for each in self._files(suffix) if _base_offset(each) >= first)

    def _damage(self, step: Restart, point: int) -> None:
        logs = self._segments()
        last = next(each for each in reversed(logs) if each.stat().st_size or each is logs[0])
        match step.damage:
            case Damage.TORN:
                last.write_bytes(last.read_bytes()[:-1])
            case Damage.FLIPPED:
                places = [(path, at) for path in logs for at in _batch_ends(path.read_bytes())]
                if not -len(places) <= step.place < len(places):
                    raise StorageFailedError(f"of {len(places)} batches in the log there is none at {step.place}")
                path, end = places[step.place]
                content = bytearray(path.read_bytes())
                content[end - 1] ^= 0x01
                path.write_bytes(content)
            case Damage.ZEROS | Damage.NO_BATCH:
                last.write_bytes(last.read_bytes() + (ZEROS if step.damage is Damage.ZEROS else TOO_FEW))
            case Damage.INDEXES:
                for path in self._unflushed(INDEXES, point):
                    path.write_bytes(GARBAGE)
            case Damage.NO_INDEXES:
                for path in (each for suffix in INDEXES for each in self._files(suffix)):
                    path.unlink()

    def _seen(self) -> Values:
        logs = self._segments()
        closed = {each.name: hashlib.sha256(each.read_bytes()).digest() for each in logs[:-1]}
        both = self._digests.keys() & closed.keys()
        rewritten = tuple(sorted(name for name in both if self._digests[name] != closed[name]))
        self._digests = closed
        batches = self._read()
        records = (each for batch in batches for each in numbered(batch))
        return {
            **self.told,
            "segment_base_offsets": tuple(_base_offset(each) for each in logs),
            "sizes": tuple(each.stat().st_size for each in logs),
            "given_up": tuple(_base_offset(each) for each in self._files(".log.deleted")),
            **({"rewritten": rewritten} if both else {}),  # nothing can be told of a log that has closed no segment
            "offset_indexes": tuple(self._entries(each, ".index", OFFSET_ENTRY) for each in logs[:-1]),
            "time_indexes": tuple(self._entries(each, ".timeindex", TIME_ENTRY) for each in logs[:-1]),
            "batches": tuple((each.base_offset, each.last_offset, len(each.records)) for each in batches),
            "records": tuple(
                (offset, record.key, record.value) for offset, record in records if offset >= self.told["log_start"]
            ),
        }

    def _read(self) -> list[Batch]:
        """All batches, each looked up by an offset of its own, as the first reader of it would."""
        found: list[Batch] = []
        offset, end = self.told["log_start"], self.told["log_end"]
        while offset < end:
            batch = self._batch_at(offset)
            if batch is None:
                break
            found.append(batch)
            offset = max(batch.next_offset, offset + 1)
        return found

    def _batch_at(self, offset: int) -> Batch | None:
        answer = self._process.ask("read", offset=offset)["batch"]
        try:
            batches = decode_batches(base64.b64decode(answer)).batches if answer else ()
        except binascii.Error as error:
            raise StorageFailedError(f"a read of offset {offset} gave what is no base64: {error}") from error
        if answer and len(batches) != 1:
            raise StorageFailedError(f"a read of offset {offset} gave {len(batches)} batches instead of one")
        return batches[0] if answer else None

    def _entries(self, log: Path, suffix: str, entry: struct.Struct) -> tuple[tuple[int, int], ...]:
        """A closed segment's index, offsets as they are."""
        path, base = log.with_suffix(suffix), _base_offset(log)
        content = path.read_bytes() if path.exists() else b""
        found = entry.iter_unpack(content[: len(content) // entry.size * entry.size])
        if entry is OFFSET_ENTRY:
            return tuple((base + offset, position) for offset, position in found)
        return tuple((timestamp, base + offset) for timestamp, offset in found)


def _base_offset(path: Path) -> int:
    """The offset that a file is named after."""
    base = path.name.partition(".")[0]
    if not base.isdecimal():
        raise StorageFailedError(f"a file is not named after an offset: {path.name}")
    return int(base)


def _batch_ends(content: bytes) -> list[int]:
    """Where the batches of a segment end."""
    ends, position = [], 0
    while position < len(content):
        length = LENGTH.unpack_from(content, position + LENGTH_AT)[0]
        if not 0 < length <= len(content) - position - FRAME_BYTES:
            raise StorageFailedError(f"a batch on the disk claims a length of {length} bytes")
        position += FRAME_BYTES + length
        ends.append(position)
    return ends


def _hold(operation: DiskHistory, client: Client, _cluster: Cluster, _version_of: VersionOf) -> list[Values]:
    launch = client.target.storage_process()
    if launch is None:
        raise Unsupported("the target has no storage process: its log can't be driven by itself")
    with tempfile.TemporaryDirectory(prefix="tidegauge-disk-") as name:
        disk = Disk(launch, Path(name), operation)
        try:
            return [{}, *_taken(disk, operation.steps)]
        finally:
            disk.close()


def try_storage(target: Target) -> None:
    """See that a target's storage process, if it has one, can be started and answers as it should.

    What it says it can't do is for the cases to find.

    Raises:
        TargetError: it can't be had; says why.
    """
    launch = target.storage_process()
    if launch is None:
        return
    if not isinstance(launch, Launch):
        raise TargetError(f"storage_process of {target.name} must return a Launch, and returned {launch!r:.100}")
    with tempfile.TemporaryDirectory(prefix="tidegauge-disk-") as name:
        disk = Disk(launch, Path(name), DiskHistory(steps=()))
        try:
            disk.begin()
        except StorageRefusedError:
            pass
        except StorageFailedError as error:
            hint = "it runs in a scratch folder, so that paths must be absolute"
            raise TargetError(f"the storage process of {target.name} can't be used ({hint}): {error}") from error
        finally:
            disk.close()


def _taken(disk: Disk, steps: Sequence[DiskStep]) -> Iterator[Values]:
    """What is seen after each step; once one has failed, nothing of the later ones."""
    failed = False
    for step in steps:
        if failed:
            yield {"error": ""}
            continue
        try:
            yield {"error": "", **disk.take(step)}
        except (StorageFailedError, MalformedAnswer, struct.error, OSError) as error:
            failed = True
            yield {"error": str(error)}


register_conversation(DiskHistory, Conversation((), _hold))
