"""What may be written, and going on after a write that took less than it was given. The writing is the caller's."""

from collections.abc import Callable, Sequence

Buffer = bytes | bytearray | memoryview


def write_rest(write_some: Callable[[memoryview, int], int], buffers: Sequence[Buffer], written: int) -> int:
    """Go on after a short write (a signal, a nearly full disk) until all is written; answers the bytes of all buffers.

    `write_some` takes what is left and how much was written before it, and answers how much of it was taken.
    """
    rest = memoryview(b"".join(bytes(buffer) for buffer in buffers))
    while written < len(rest):
        written += write_some(rest[written:], written)
    return written
