"""librdkafka's mock cluster as a process of its own: `python -m conformance.targets.mock_server [BROKERS]`.

It says `listening on HOST:PORT[,HOST:PORT...]` on standard output, then obeys a word and a node id per line of
standard input, `down 1` or `up 1`, each answered by `done` or by `failed: ...`. It ends when standard input does.

The mock cluster lives inside a librdkafka client, the one in the confluent-kafka wheel, and is reached by ctypes:
the wheel's Python module shows no way to take a broker down.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import importlib.util
import sys
from pathlib import Path

_PRODUCER = 0
_ERROR_BYTES = 512
_FUNCTIONS: dict[str, tuple[object, list[object]]] = {
    "rd_kafka_conf_new": (ctypes.c_void_p, []),
    "rd_kafka_conf_set": (
        ctypes.c_int,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
    ),
    "rd_kafka_new": (ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]),
    "rd_kafka_err2str": (ctypes.c_char_p, [ctypes.c_int]),
    "rd_kafka_mock_cluster_new": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_int]),
    "rd_kafka_mock_cluster_bootstraps": (ctypes.c_char_p, [ctypes.c_void_p]),
    "rd_kafka_mock_broker_set_down": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
    "rd_kafka_mock_broker_set_up": (ctypes.c_int, [ctypes.c_void_p, ctypes.c_int32]),
}


class MockError(Exception):
    """librdkafka is missing or refused."""


class MockCluster:
    """A mock cluster of librdkafka; it ends with the process."""

    def __init__(self, brokers: int) -> None:
        self._library = _library()
        configuration = self._library.rd_kafka_conf_new()
        error = ctypes.create_string_buffer(_ERROR_BYTES)
        self._library.rd_kafka_conf_set(configuration, b"client.id", b"tidegauge-mock", error, _ERROR_BYTES)
        client = self._library.rd_kafka_new(_PRODUCER, configuration, error, _ERROR_BYTES)
        if client is None:
            raise MockError(f"librdkafka made no client: {error.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(client, brokers)
        if self._cluster is None:
            raise MockError(f"librdkafka made no mock cluster of {brokers} brokers")

    @property
    def bootstrap(self) -> str:
        """Where its brokers listen."""
        addresses: bytes = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster)
        return addresses.decode()

    def down(self, broker: int) -> None:
        """Close the broker's connections and refuse new ones."""
        self._check(self._library.rd_kafka_mock_broker_set_down(self._cluster, broker))

    def up(self, broker: int) -> None:
        """Listen again, on the same port."""
        self._check(self._library.rd_kafka_mock_broker_set_up(self._cluster, broker))

    def _check(self, code: int) -> None:
        if code != 0:
            said: bytes = self._library.rd_kafka_err2str(code)
            raise MockError(said.decode())


def _library() -> ctypes.CDLL:
    spec = importlib.util.find_spec("confluent_kafka")
    if spec is None or spec.origin is None:
        raise MockError("there is no confluent-kafka: pip install confluent-kafka")
    package = Path(spec.origin).parent
    # The wheels carry it beside the package on Linux and inside it on macOS; a build from source uses the system's.
    carried = [*package.parent.glob("confluent_kafka.libs/librdkafka*"), *package.glob(".dylibs/librdkafka*")]
    path = str(carried[0]) if carried else ctypes.util.find_library("rdkafka")
    if path is None:
        raise MockError("confluent-kafka carries no librdkafka here, and the system has none")
    library = ctypes.CDLL(path)
    for name, (result, arguments) in _FUNCTIONS.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def main() -> None:
    """Serve until standard input ends."""
    try:
        cluster = MockCluster(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    except MockError as error:
        sys.exit(f"mock cluster: {error}")
    _say(f"listening on {cluster.bootstrap}")
    for line in sys.stdin:
        word, broker = line.split()
        try:
            {"down": cluster.down, "up": cluster.up}[word](int(broker))
        except MockError as error:
            _say(f"failed: {error}")
        else:
            _say("done")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
