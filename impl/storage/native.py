"""The walk of `scan`, compiled: for segments of so many batches that Python's own pace is what is waited for.

The code is put together for LLVM by hand, because a compiler that reads Python takes as long to load as most segments
take to be walked. It does what `scan.walk_in_python` does, and is tested beside it; only of producers it may keep more
batches than are needed, when two of them share a place of the table in which it counts. The checksum is the processor's
own instruction (SSE 4.2); `is_possible` says whether there is one.
"""

from __future__ import annotations

import ctypes
import platform
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import accumulate
from struct import calcsize
from typing import Any, Final

import attrs
from crc32c import crc32c
from llvmlite import binding, ir

from impl.storage.batch import CHECKED_FROM, HEADER, HEADER_SIZE, LOG_OVERHEAD, MAGIC, NO_PRODUCER_ID, BatchHeader
from impl.storage.indexes import OFFSET_ENTRY, TIME_ENTRY
from impl.storage.producer_state import BATCHES_REMEMBERED
from impl.storage.scan import SPECIAL_BITS, Found, Walked
from impl.storage.segment import RELATIVE_OFFSET_MAX

_BYTE, _SHORT, _NARROW, _WIDE = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_WORD: Final = 8  # bytes
_KINDS: Final = {"b": _BYTE, "h": _SHORT, "i": _NARROW, "I": _NARROW, "q": _WIDE}
_FORMATS: Final = HEADER.format.lstrip(">")
_POSITIONS: Final = (0, *accumulate(calcsize(f">{each}") for each in _FORMATS))
_NAMES: Final = (each.name for each in attrs.fields(BatchHeader))
_FIELDS: Final = {name: (place, kind) for name, place, kind in zip(_NAMES, _POSITIONS[:-1], _FORMATS, strict=True)}
PRODUCERS: Final = 1024  # places of the table, each a producer id and how many of its batches were counted
_STATE: Final = tuple(each.name for each in attrs.fields(Walked))
_RESULTS: Final = ("begin", "count", "offsets", "times", "kept", "places")
_ARGUMENTS: Final = ("state", "window", "size", "offsets", "times", "relevant", "table", "zeros")
_WORKING: Final = ("end", "at", "block_end", "crc", "second", "third", "candidates", "seen")
_BLOCK: Final = 256  # bytes; three of them are less than a batch of 1 KB
_TOGETHER: Final = 3
_NOBODY: Final = b"\xff" * (PRODUCERS * 2 * _WORD)
_ALL_ONES: Final = 0xFFFFFFFF


def is_possible() -> bool:
    """Whether the processor has the instruction."""
    features = binding.get_host_cpu_features()
    return platform.machine() in {"x86_64", "AMD64"} and bool(features.get("sse4.2", False))


class _Code:
    """A function that is being written. All its values are of 64 bits, and its variables have names."""

    def __init__(self) -> None:
        module = ir.Module("walk")
        signature = ir.FunctionType(ir.VoidType(), [_WIDE] * len(_ARGUMENTS))
        self.function = ir.Function(module, signature, "walk")
        self.builder = ir.IRBuilder(self.function.append_basic_block())
        names = dict.fromkeys((*_STATE, *_RESULTS, *_ARGUMENTS, *_WORKING))
        self._places = {name: self.builder.alloca(_WIDE, name=name) for name in names}

    def __getitem__(self, name: str) -> Any:
        return self.builder.load(self._places[name])

    def __setitem__(self, name: str, value: Any) -> None:
        self.builder.store(self._as_value(value), self._places[name])

    @staticmethod
    def _as_value(value: Any) -> Any:
        return ir.Constant(_WIDE, value) if isinstance(value, int) else value

    def add(self, first: Any, *others: Any) -> Any:
        """A sum."""
        for each in others:
            first = self.builder.add(self._as_value(first), self._as_value(each))
        return first

    def compare(self, first: Any, relation: str, second: Any) -> Any:
        """Whether a relation holds of two numbers with a sign."""
        return self.builder.icmp_signed(relation, self._as_value(first), self._as_value(second))

    def bits(self, value: Any, mask: int) -> Any:
        """Some of a value's bits."""
        return self.builder.and_(value, ir.Constant(_WIDE, mask))

    def load(self, address: Any, kind: Any = _WIDE) -> Any:
        """What is at an address, in the machine's order."""
        return self.builder.load(self.builder.inttoptr(address, kind.as_pointer()), align=1)

    def store(self, address: Any, value: Any, kind: Any = _WIDE) -> None:
        """Write a value in the machine's order."""
        self.builder.store(value, self.builder.inttoptr(address, kind.as_pointer()), align=1)

    def field(self, batch: Any, name: str) -> Any:
        """A field of the header of the batch at an address."""
        position, letter = _FIELDS[name]
        kind = _KINDS[letter]
        value = self.load(self.add(batch, position), kind)
        if kind is not _BYTE:
            value = self.builder.bswap(value)
        if kind is _WIDE:
            return value
        return self.builder.zext(value, _WIDE) if letter.isupper() else self.builder.sext(value, _WIDE)

    def put_entry(self, name: str, formats: str, *values: Any) -> None:
        """Write an index entry where a variable points, which then points behind it."""
        for letter, value in zip(formats.lstrip(">"), values, strict=True):
            kind = _KINDS[letter]
            narrow = value if kind is _WIDE else self.builder.trunc(value, kind)
            self.builder.store(
                self.builder.bswap(narrow), self.builder.inttoptr(self[name], kind.as_pointer()), align=1
            )
            self[name] = self.add(self[name], calcsize(f">{letter}"))

    @contextmanager
    def loop(self) -> Iterator[Any]:
        """What is repeated; the block to go to at its end is given."""
        again, after = (self.function.append_basic_block() for _ in range(2))
        self.builder.branch(again)
        self.builder.position_at_end(again)
        yield after
        self.builder.branch(again)
        self.builder.position_at_end(after)

    def leave_unless(self, condition: Any, after: Any) -> None:
        """Go on only if a condition holds."""
        on = self.function.append_basic_block()
        self.builder.cbranch(condition, on, after)
        self.builder.position_at_end(on)

    def only_if(self, condition: Any) -> Any:
        """What is done if a condition holds."""
        return self.builder.if_then(condition)


def _write_checksum(code: _Code, begin: Any, end: Any) -> Any:
    """The CRC-32C of what is between two addresses."""
    builder = code.builder
    take_word = _instruction(code, "llvm.x86.sse42.crc32.64.64", _WIDE, _WIDE)
    take_byte = _instruction(code, "llvm.x86.sse42.crc32.32.8", _NARROW, _BYTE)
    code["crc"], code["at"] = _ALL_ONES, begin
    with code.loop() as after:
        code.leave_unless(code.compare(code.add(code["at"], _TOGETHER * _BLOCK), "<=", end), after)
        _write_blocks(code, take_word)
    with code.loop() as after:
        code.leave_unless(code.compare(code.add(code["at"], _WORD), "<=", end), after)
        code["crc"] = builder.call(take_word, [code["crc"], code.load(code["at"])])
        code["at"] = code.add(code["at"], _WORD)
    with code.loop() as after:
        code.leave_unless(code.compare(code["at"], "<", end), after)
        narrow = builder.call(take_byte, [builder.trunc(code["crc"], _NARROW), code.load(code["at"], _BYTE)])
        code["crc"] = builder.zext(narrow, _WIDE)
        code["at"] = code.add(code["at"], 1)
    return builder.xor(code["crc"], ir.Constant(_WIDE, _ALL_ONES))


def _instruction(code: _Code, name: str, state: Any, taken: Any) -> Any:
    return code.builder.module.declare_intrinsic(name, (), ir.FunctionType(state, [state, taken]))


def _write_blocks(code: _Code, take_word: Any) -> None:
    """Take three blocks at once: the instruction waits for the one before it, but not for those of other blocks."""
    builder, names = code.builder, ("crc", "second", "third")
    code["second"] = code["third"] = 0
    code["block_end"] = code.add(code["at"], _BLOCK)
    with code.loop() as after:
        for number, name in enumerate(names):
            word = code.load(code.add(code["at"], number * _BLOCK))
            code[name] = builder.call(take_word, [code[name], word])
        code["at"] = code.add(code["at"], _WORD)
        code.leave_unless(code.compare(code["at"], "<", code["block_end"]), after)
    for name in names[1:]:
        code["crc"] = builder.xor(_after_block(code, code["crc"]), code[name])
    code["at"] = code.add(code["at"], (_TOGETHER - 1) * _BLOCK)


def _after_block(code: _Code, crc: Any) -> Any:
    """The CRC state after 256 zero bytes, looked up for each byte of the state."""
    builder, found = code.builder, ir.Constant(_WIDE, 0)
    for number in range(4):
        byte = code.bits(builder.lshr(crc, ir.Constant(_WIDE, 8 * number)), 0xFF)
        place = builder.mul(code.add(byte, 256 * number), ir.Constant(_WIDE, _WORD))
        found = builder.xor(found, code.load(code.add(code["zeros"], place)))
    return found


@cache
def _zeros() -> array[int]:
    """What each value of each byte of the CRC state contributes to the state after 256 zero bytes."""
    block = bytes(_BLOCK)
    states = ((value << 8 * number) for number in range(4) for value in range(256))
    return array("q", [crc32c(block, state ^ _ALL_ONES) ^ _ALL_ONES for state in states])


def _write_check(code: _Code, batch: Any, after: Any) -> Any:
    """Leave unless a batch is good; answers its last offset."""
    code["end"] = code.add(code["begin"], LOG_OVERHEAD, code.field(batch, "length"))
    code.leave_unless(code.compare(code["end"], ">=", code.add(code["begin"], HEADER_SIZE)), after)
    code.leave_unless(code.compare(code["end"], "<=", code["size"]), after)
    crc = _write_checksum(code, code.add(batch, CHECKED_FROM), code.add(code["window"], code["end"]))
    code.leave_unless(code.compare(crc, "==", code.field(batch, "crc")), after)
    code.leave_unless(code.compare(code.field(batch, "magic"), "==", MAGIC), after)
    offset, delta = code.field(batch, "base_offset"), code.field(batch, "last_offset_delta")
    code.leave_unless(code.compare(delta, ">=", 0), after)
    code.leave_unless(code.compare(offset, ">=", code["next_offset"]), after)
    # Compared without a sum: a damaged offset may be so large that adding to it goes round.
    furthest = code.builder.sub(code.add(code["base_offset"], RELATIVE_OFFSET_MAX), delta)
    code.leave_unless(code.compare(offset, "<=", furthest), after)
    return code.add(offset, delta)


def _write_index(code: _Code, batch: Any, last_offset: Any) -> None:
    """Keep the largest timestamp and the index entries (`Segment.note_batch`)."""
    timestamp = code.field(batch, "max_timestamp")
    with code.only_if(code.compare(timestamp, ">", code["max_timestamp"])):
        code["max_timestamp"], code["offset_of_max_timestamp"] = timestamp, last_offset
    with code.only_if(code.compare(code["bytes_since_index_entry"], ">", code["index_interval_bytes"])):
        subtract = code.builder.sub
        relative = subtract(last_offset, code["base_offset"])
        code.put_entry("offsets", OFFSET_ENTRY.format, relative, code.add(code["position"], code["begin"]))
        with code.only_if(code.compare(code["max_timestamp"], ">", code["last_indexed_timestamp"])):
            relative = subtract(code["offset_of_max_timestamp"], code["base_offset"])
            code.put_entry("times", TIME_ENTRY.format, code["max_timestamp"], relative)
            code["last_indexed_timestamp"] = code["max_timestamp"]
        code["bytes_since_index_entry"] = 0
    size = code.builder.sub(code["end"], code["begin"])
    code["bytes_since_index_entry"] = code.add(code["bytes_since_index_entry"], size)


def _place(code: _Code, number: Any) -> Any:
    """The address of one of the batches that may be relevant."""
    return code.add(code["relevant"], code.builder.mul(number, ir.Constant(_WIDE, _WORD)))


def _write_candidate(code: _Code, batch: Any) -> None:
    """Note a batch that may be relevant: where it begins, doubled, and 1 more if it surely is."""
    builder = code.builder
    epoch = code.field(batch, "partition_leader_epoch")
    is_later = code.compare(epoch, ">", code["epoch"])
    special = code.bits(code.field(batch, "attributes"), SPECIAL_BITS)
    surely = builder.or_(is_later, code.compare(special, "!=", 0))
    with code.only_if(builder.or_(surely, code.compare(code.field(batch, "producer_id"), ">", NO_PRODUCER_ID))):
        noted = code.add(code["begin"], code["begin"], builder.zext(surely, _WIDE))
        code.store(_place(code, code["candidates"]), noted)
        code["candidates"] = code.add(code["candidates"], 1)
    code["epoch"] = builder.select(is_later, epoch, code["epoch"])


def _write_choice(code: _Code) -> None:
    """Keep, at the end of the places, the candidates that surely are, and of each producer the last few."""
    builder = code.builder
    code["kept"] = code["candidates"]
    with code.loop() as after:
        code.leave_unless(code.compare(code["candidates"], ">", 0), after)
        code["candidates"] = code.add(code["candidates"], -1)
        noted = code.load(_place(code, code["candidates"]))
        begin = builder.ashr(noted, ir.Constant(_WIDE, 1))
        code["seen"] = 0
        with code.only_if(code.compare(code.bits(noted, 1), "==", 0)):
            _write_count(code, code.field(code.add(code["window"], begin), "producer_id"))
        with code.only_if(code.compare(code["seen"], "<=", BATCHES_REMEMBERED)):
            code["kept"] = code.add(code["kept"], -1)
            code.store(_place(code, code["kept"]), begin)


def _write_count(code: _Code, producer: Any) -> None:
    """Count the batches of a producer since it took its place in the table."""
    number = code.builder.mul(code.bits(producer, PRODUCERS - 1), ir.Constant(_WIDE, 2 * _WORD))
    place = code.add(code["table"], number)
    is_its = code.compare(code.load(place), "==", producer)
    before = code.builder.select(is_its, code.load(code.add(place, _WORD)), ir.Constant(_WIDE, 0))
    code["seen"] = code.add(before, 1)
    code.store(place, producer)
    code.store(code.add(place, _WORD), code["seen"])


def _write_walk() -> _Code:
    """The whole function."""
    code = _Code()
    for name, argument in zip(_ARGUMENTS, code.function.args, strict=True):
        code[name] = argument
    places = {name: code.add(code["state"], number * _WORD) for number, name in enumerate((*_STATE, *_RESULTS))}
    for name in _STATE:
        code[name] = code.load(places[name])
    for name in ("begin", "count", "candidates"):
        code[name] = 0
    with code.loop() as after:
        code.leave_unless(code.compare(code.add(code["begin"], HEADER_SIZE), "<=", code["size"]), after)
        batch = code.add(code["window"], code["begin"])
        last_offset = _write_check(code, batch, after)
        code["next_offset"] = code.add(last_offset, 1)
        _write_index(code, batch, last_offset)
        _write_candidate(code, batch)
        code["count"] = code.add(code["count"], 1)
        code["begin"] = code["end"]
    code["position"] = code.add(code["position"], code["begin"])
    code["places"] = code["candidates"]
    _write_choice(code)
    for name, place in places.items():
        code.store(place, code[name])
    code.builder.ret_void()
    return code


@cache
def _compiled() -> tuple[Any, Any]:
    """The function, and the engine that has to live as long."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_default_triple()
    machine = target.create_target_machine(cpu=binding.get_host_cpu_name(), features="+sse4.2", opt=2)
    module = binding.parse_assembly(str(_write_walk().builder.module))
    passes = binding.create_new_module_pass_manager()  # all others take much longer than these, and gain nothing
    passes.add_sroa_pass()
    passes.add_instruction_combine_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, binding.create_pass_builder(machine, binding.create_pipeline_tuning_options()))
    engine = binding.create_mcjit_compiler(module, machine)
    engine.finalize_object()
    kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * len(_ARGUMENTS))
    return kind(engine.get_function_address("walk")), engine


class Walker:
    """A `scan.Walk`, with the memory that it needs. For one thread; other threads of Python run meanwhile."""

    def __init__(self) -> None:
        self._walk, self._engine = _compiled()
        self._table = bytearray(PRODUCERS * 2 * _WORD)
        self._reserve(0)

    def _reserve(self, window_size: int) -> None:
        """Have room for what can be found in a window."""
        most = window_size // HEADER_SIZE + 1
        self._room = window_size
        self._offsets, self._times = bytearray(most * OFFSET_ENTRY.size), bytearray(most * TIME_ENTRY.size)
        self._relevant = array("q", bytes(most * _WORD))

    def __call__(self, walked: Walked, window: memoryview) -> Found:
        """See `Walk`; the window must be writable memory."""
        if len(window) > self._room:
            self._reserve(len(window))
        self._table[:] = _NOBODY
        state = array("q", (*attrs.astuple(walked), *[0] * len(_RESULTS)))
        offsets, times = _address(self._offsets), _address(self._times)
        relevant, table, zeros = _address(self._relevant), _address(self._table), _address(_zeros())
        self._walk(_address(state), _address(window), len(window), offsets, times, relevant, table, zeros)
        for name, value in zip(_STATE, state, strict=False):
            setattr(walked, name, value)
        results = dict(zip(_RESULTS, state[len(_STATE) :], strict=True))
        return Found(
            results["begin"],
            results["count"],
            self._offsets[: results["offsets"] - offsets],
            self._times[: results["times"] - times],
            self._relevant[results["kept"] : results["places"]],
        )


def _address(memory: bytearray | memoryview | array[int]) -> int:
    """Where the bytes are."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))
