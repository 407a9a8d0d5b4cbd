"""A stand-in for `impl/`: the same command line, and answers to ApiVersions and Metadata as brief as can be."""

from __future__ import annotations

import textwrap
from pathlib import Path

_MAIN = """
import pathlib, socketserver, struct, sys

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
data = pathlib.Path(options["--data"])
data.mkdir(parents=True, exist_ok=True)
port = int(options["--port"])
starts = data / "starts"
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")


class Answer(socketserver.StreamRequestHandler):
    def handle(self):
        while size := self.rfile.read(4):
            request = self.rfile.read(*struct.unpack(">i", size))
            key, version, correlation_id = struct.unpack_from(">hhi", request)
            body = struct.pack(">hi", 0, 0)
            if key == 3:
                host = b"127.0.0.1"
                body = struct.pack(">iih", 1, 7, len(host)) + host + struct.pack(">ihii", port, -1, 7, 0)
            answer = struct.pack(">i", correlation_id) + body
            self.wfile.write(struct.pack(">i", len(answer)) + answer)


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


with Server(("127.0.0.1", port), Answer) as server:
    print(f"listening on 127.0.0.1:{port}", flush=True)
    server.serve_forever()
"""


def write_stub(root: Path, before: str = "") -> Path:
    """Write an `impl` package under `root`; `before` is Python that runs first."""
    package = root / "impl"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "__main__.py").write_text(textwrap.dedent(before) + _MAIN)
    return root
