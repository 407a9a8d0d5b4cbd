"""Runs programs on columns, a few hundred states at a time; compiled once for all machines.

A program's rows are (operation, register, operands); `model.readings.programs` makes them of a machine's text. What is
compiled here knows no machine: it is an interpreter whose instructions work on TILE states each. It holds no lock of
Python's, so that threads run side by side.

Registers are reused; `done` says under which stamp a row was last run, so that what several programs need of the same
states is computed once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from model.readings.native import native

TILE = 512
"""How many states an instruction works on."""

LOAD, GATHER, AFTER, CONST, AND, OR, NOT, EQ, LT, LE, ADD, SUB, MUL, ITE = range(14)
"""Operations. LOAD: a cell of consecutive states; GATHER: of chosen ones; AFTER: likewise, after a step of them."""


@native
def run(
    code: Any, order: Any, begin: int, end: int, done: Any, stamp: int, tile: Any, block: Any, start: int, at: Any
) -> bool:  # pragma: no cover  compiled
    """Run the rows that `order` names from `begin` to `end`, but for those that were run under this stamp.

    A number below 0 names a row backwards, and asks whether it holds anywhere: if not, nothing more is run.
    `tile` is (registers, the same eight bytes at a time, how many states, where each cell is after the step).
    """
    registers, words, count, after = tile
    for index in range(begin, end):
        which = order[index]
        if which < 0:
            some = np.uint64(0)
            for word in words[code[-which - 1, 1]]:
                some |= word
            if some == 0:
                return False
        elif done[which] != stamp:
            done[which] = stamp
            op, a, b, c = code[which, 0], code[which, 2], code[which, 3], code[which, 4]
            out = registers[code[which, 1]]
            if op <= CONST:
                read(op, a, out, registers, count, after, block, start, at)
            else:
                compute(op, registers[a], registers[b], registers[c], out, count)
    return True


@native
def read(
    op: int, operand: int, out: Any, registers: Any, count: int, after: Any, block: Any, start: int, at: Any
) -> None:  # pragma: no cover  compiled
    """Read a cell, or a number."""
    if op == LOAD:
        cells = block[operand, start : start + count]
        for i in range(count):
            out[i] = cells[i]
    elif op == CONST:
        for i in range(count):
            out[i] = operand
    elif op == AFTER and after[operand] >= 0:
        changed = registers[after[operand]]
        for i in range(count):
            out[i] = changed[i]
    else:
        held = block[operand]
        for i in range(count):
            out[i] = held[at[i]]


@native
def compute(  # noqa: C901, PLR0912  a branch an instruction
    op: int, a: Any, b: Any, c: Any, out: Any, count: int
) -> None:  # pragma: no cover  compiled
    """Compute on registers."""
    if op == AND:
        for i in range(count):
            out[i] = a[i] & b[i]
    elif op == OR:
        for i in range(count):
            out[i] = a[i] | b[i]
    elif op == NOT:
        for i in range(count):
            out[i] = a[i] ^ 1
    elif op == EQ:
        for i in range(count):
            out[i] = a[i] == b[i]
    elif op == LT:
        for i in range(count):
            out[i] = a[i] < b[i]
    elif op == LE:
        for i in range(count):
            out[i] = a[i] <= b[i]
    elif op == ADD:
        for i in range(count):
            out[i] = a[i] + b[i]
    elif op == SUB:
        for i in range(count):
            out[i] = a[i] - b[i]
    elif op == MUL:
        for i in range(count):
            out[i] = a[i] * b[i]
    else:
        for i in range(count):
            out[i] = c[i] ^ ((b[i] ^ c[i]) & -a[i])  # a choice without a jump: a is 0 or 1


@native
def find_steps(
    block: Any, start: int, stop: int, guards: Any, memory: Any, found: Any
) -> Any:  # pragma: no cover  compiled
    """Find the states from `start` to `stop` in which each step can be taken, as far as there is room.

    Args:
        block: the states.
        start: the first of them.
        stop: the one after the last.
        guards: (code, order, spans, results): a span of `order` and a result for each step.
        memory: (done, registers, words): stamps, the last the newest; registers; the same eight bytes at a time.
        found: (rows, runs, firsts, lasts). The places are written to `rows`, one run after the other; `runs` says of
            each where it begins and ends, and which is the next of the same step; `firsts` and `lasts` give those.

    Returns:
        Where it stopped, and how many places were found.
    """
    code, order, spans, results = guards
    done, registers, words = memory
    rows, runs, firsts, _lasts = found
    steps = results.size
    each_word = TILE // words.shape[1]
    none, nothing = np.empty(0, np.uint32), np.empty(0, np.int32)
    firsts[:] = -1
    used = number = 0
    while start < stop and used + TILE * steps + each_word <= rows.size and number + steps <= runs.shape[0]:
        count = min(TILE, stop - start)
        done[-1] += 1
        for step in range(steps):
            tile = (registers, words, count, nothing)
            if not run(code, order, spans[step], spans[step + 1], done, done[-1], tile, block, start, none):
                continue
            begin = used
            used = write_places(registers[results[step]], words[results[step]], count, start, rows, used)
            if used == begin:
                continue
            link_run(found, step, number, begin, used)
            number += 1
        start += count
    return start, used


@native
def link_run(found: Any, step: int, number: int, begin: int, end: int) -> None:  # pragma: no cover  compiled
    """Add a run of places to those of a step."""
    _rows, runs, firsts, lasts = found
    runs[number, 0], runs[number, 1], runs[number, 2] = begin, end, -1
    if firsts[step] < 0:
        firsts[step] = number
    else:
        runs[lasts[step], 2] = number
    lasts[step] = number


@native
def write_places(held: Any, packed: Any, count: int, start: int, rows: Any, used: int) -> Any:  # pragma: no cover
    """Write the places at which a guard holds, skipping eight bytes at a time where none does; how many there are."""
    each_word = held.size // packed.size
    held[count:] = 0
    for word in range((count + each_word - 1) // each_word):
        if packed[word] != 0:
            for i in range(word * each_word, (word + 1) * each_word):
                rows[used] = start + i
                used += held[i]
    return used


@native
def take_steps(
    origin: Any, effects: Any, noted: Any, memory: Any, found: Any, out: Any
) -> Any:  # pragma: no cover  compiled
    """Take the steps that were found, and weigh the states after them.

    Args:
        origin: (block, start, sums, weighing): the states; the first of them from which steps were looked for; what
            the states from there on weigh, a row for each way to weigh them; and (constants, weights, sorts, images),
            as for `model.readings.weighing`.
        effects: (code, order, spans, results, writes, write_spans). There is a program for each step, and after those
            one for each condition that every step must meet. A write is (cell, register, register of the cell
            before, least, most, whether it may be out of these).
        noted: (broken, counts): get for each condition the first step that does not meet it, and the place of the
            state before it; how often each step was taken.
        memory: as for `find_steps`.
        found: as for `find_steps`.
        out: (sums, places, steps), a row each for every step taken. Of several sums the least is given.

    Returns:
        How many were taken, and how many were not as they leave the sizes.
    """
    writes, write_spans = effects[4], effects[5]
    firsts = found[2]
    broken, counts = noted
    after = np.empty(origin[0].shape[0], np.int32)
    weights = np.empty(TILE, np.int64), np.empty(TILE, np.int64)
    rooms = np.empty(TILE, np.uint32), weights, np.empty(TILE, np.bool_), after
    for cell in range(after.size):
        after[cell] = -1
    taken = left = 0
    for step in range(firsts.size):
        written = range(write_spans[step], write_spans[step + 1])
        for each in written:
            after[writes[each, 0]] = writes[each, 1]
        before = taken
        taken, looked_at = take_step(origin, effects, broken, memory, found, out, step, taken, rooms)
        counts[step] += taken - before
        left += looked_at - (taken - before)
        for each in written:
            after[writes[each, 0]] = -1
    return taken, left


@native
def take_step(
    origin: Any, effects: Any, broken: Any, memory: Any, found: Any, out: Any, step: int, taken: int, rooms: Any
) -> Any:  # pragma: no cover  compiled
    """Take one step wherever it was found; how many steps are written by now, and at how many places it was found."""
    code, order, spans, results, writes, write_spans = effects
    done, registers, words = memory
    rows, runs, firsts, _lasts = found
    at, weights, inside, after = rooms
    written = range(write_spans[step], write_spans[step + 1])
    looked_at = 0
    rest = 0, 0, firsts[step]
    while rest[0] < rest[1] or rest[2] >= 0:
        count, rest = next_places(rows, runs, rest, at)
        done[-1] += 1
        tile = (registers, words, count, after)
        run(code, order, spans[step], spans[step + 1], done, done[-1], tile, origin[0], 0, at)
        stay_inside(registers, writes, written, count, inside)
        weigh_after(registers, writes, written, origin, at, count, weights)
        for each in range(results.size):
            if broken[each, 0] < 0:
                which = firsts.size + each
                run(code, order, spans[which], spans[which + 1], done, done[-1], tile, origin[0], 0, at)
                note_broken(registers[results[each]], at, inside, count, step, broken[each])
        taken = write_out(out, taken, weights[1], at, step, inside, count)
        looked_at += count
    return taken, looked_at


@native
def next_places(rows: Any, runs: Any, rest: Any, at: Any) -> Any:  # pragma: no cover  compiled
    """The next places at which a step can be taken, as many as there is room for, and what is left after them."""
    place, end, following = rest
    count = 0
    while count < TILE and (place < end or following >= 0):
        if place == end:
            place, end, following = runs[following, 0], runs[following, 1], runs[following, 2]
        some = min(TILE - count, end - place)
        for i in range(some):
            at[count + i] = rows[place + i]
        count += some
        place += some
    return count, (place, end, following)


@native
def stay_inside(
    registers: Any, writes: Any, written: Any, count: int, inside: Any
) -> None:  # pragma: no cover  compiled
    """Whether what was written is within the sizes."""
    for i in range(count):
        inside[i] = True
    for each in written:
        if writes[each, 5]:
            new = registers[writes[each, 1]]
            least, most = writes[each, 3], writes[each, 4]
            for i in range(count):
                inside[i] &= (new[i] >= least) & (new[i] <= most)


@native
def weigh_after(
    registers: Any, writes: Any, written: Any, origin: Any, at: Any, count: int, weights: Any
) -> None:  # pragma: no cover  compiled
    """What the states after a step weigh, the least of all ways."""
    _block, start, sums, weighing = origin
    total, least = weights
    for way in range(sums.shape[0]):
        for i in range(count):
            total[i] = sums[way, at[i] - start]
        add_changes(registers, writes, written, weighing, way, count, total)
        for i in range(count):
            least[i] = total[i] if way == 0 else min(least[i], total[i])


@native
def add_changes(
    registers: Any, writes: Any, written: Any, weighing: Any, way: int, count: int, total: Any
) -> None:  # pragma: no cover  compiled
    """Add what the changed cells weigh more than before."""
    _constants, weights, sorts, images = weighing
    for each in written:
        cell = writes[each, 0]
        new = registers[writes[each, 1]]
        old = registers[writes[each, 2]]
        weight = weights[way, cell]
        if sorts[cell] < 0:
            for i in range(count):
                total[i] += np.int32(np.int32(new[i]) - np.int32(old[i])) * weight
        else:
            image = images[way, sorts[cell]]
            for i in range(count):
                total[i] += (image[new[i]] - image[old[i]]) * weight


@native
def note_broken(
    held: Any, at: Any, inside: Any, count: int, step: int, broken: Any
) -> None:  # pragma: no cover  compiled
    """Note the step and the place of the state before it where first a condition is not met."""
    for i in range(count):
        if inside[i] and held[i] == 0:
            broken[0], broken[1] = step, at[i]
            break


@native
def write_out(
    out: Any, taken: int, total: Any, at: Any, step: int, inside: Any, count: int
) -> int:  # pragma: no cover  compiled
    """Write out the steps that stay within the sizes; how many are written by now."""
    sums, places, steps = out
    for i in range(count):
        sums[taken] = total[i]
        places[taken] = at[i]
        steps[taken] = step
        taken += inside[i]
    return taken


@native
def make_states(
    block: Any, places: Any, steps: Any, effects: Any, memory: Any, out: Any, offset: int
) -> None:  # pragma: no cover  compiled
    """Write the states after steps from the states at `places` to `out`, from `offset` on."""
    code, order, spans, _results, writes, write_spans = effects
    done, registers, words = memory
    after = np.empty(0, np.int32)
    size = places.size
    for cell in range(block.shape[0]):
        held = block[cell]
        copy = out[cell, offset : offset + size]
        for i in range(size):
            copy[i] = held[places[i]]
    begin = 0
    while begin < size:
        step = steps[begin]
        end = begin
        while end < size and end - begin < TILE and steps[end] == step:
            end += 1
        count = end - begin
        done[-1] += 1
        tile = (registers, words, count, after)
        run(code, order, spans[step], spans[step + 1], done, done[-1], tile, block, 0, places[begin:end])
        for each in range(write_spans[step], write_spans[step + 1]):
            new = registers[writes[each, 1]]
            copy = out[writes[each, 0], offset + begin : offset + end]
            for i in range(count):
                copy[i] = new[i]
        begin = end


@native
def find_false(
    block: Any, start: int, stop: int, conditions: Any, memory: Any, found: Any
) -> None:  # pragma: no cover  compiled
    """Find the first state from `start` to `stop` in which each condition does not hold, of those not found yet."""
    code, order, spans, results = conditions
    done, registers, words = memory
    none, nothing = np.empty(0, np.uint32), np.empty(0, np.int32)
    while start < stop:
        count = min(TILE, stop - start)
        done[-1] += 1
        for each in range(results.size):
            if found[each] >= 0:
                continue
            tile = (registers, words, count, nothing)
            run(code, order, spans[each], spans[each + 1], done, done[-1], tile, block, start, none)
            held = registers[results[each]]
            for i in range(count):
                if held[i] == 0:
                    found[each] = start + i
                    break
        start += count
