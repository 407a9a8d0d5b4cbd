"""The command that runs a broker: `tidegauge serve`, or `python -m impl`."""

import asyncio
import errno
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from impl.cluster.configs import BrokerConfig
from impl.errors import BrokerError, DataDirectoryError
from impl.server.broker import Broker
from impl.server.dispatch import Dispatcher
from impl.server.framing import Connection
from impl.server.housekeeping import Housekeeping
from impl.server.log_directories import NestedDirectoriesError
from impl.storage.checkpoints import CheckpointError
from impl.storage.filesystem import RealFileSystem

logger = logging.getLogger(__name__)

EXAMPLES: Final = """Run a Kafka broker that keeps its data in files.

\b
Examples:
  tidegauge serve --data /tmp/kafka
  tidegauge serve --data /tmp/kafka --port 0
  tidegauge serve --data /tmp/kafka --config log.segment.bytes=1048576 --config num.partitions=3

When it can be reached it prints one line, `listening on HOST:PORT`. SIGTERM and SIGINT stop it cleanly; after any
other end the next start checks its logs and cuts what was not written whole.

Exit code 0: it was stopped; 1: it could not start or go on (a port or a directory in use, a disk that fails, ...), and
what to do is said; 2: a wrong choice; 130: interrupted while it still opened its logs (143 by SIGTERM).
"""

INTERRUPTED: Final = 130

# What an operator can do about an address that nobody can listen on, by its number.
ADVICE: Final = {
    errno.EADDRINUSE: "stop the process that listens there, or choose another --port (0 picks a free one)",
    errno.EACCES: "this user may not use that port: choose one of 1024 or more with --port",
    errno.EADDRNOTAVAIL: "this machine has no such address: choose one of its own with --host",
}
OTHER_HOST: Final = "choose another name or address with --host"

# Loaded in the background once clients can connect, so that neither the start nor the first request waits for them.
SLOW_MODULES: Final = (
    "impl.server.handlers.metadata",
    "impl.server.handlers.topics",
    "impl.server.handlers.positions",
    "impl.server.handlers.offsets",
    "impl.server.handlers.groups",
)

# At the latest after this time the broker looks again, because a deletion may have come due meanwhile.
HOUSEKEEPING_INTERVAL_MS: Final = 1000


class ListenError(Exception):
    """Nobody can listen on the address that was chosen; says why, and what to do."""


def now_ms() -> int:
    """The time in milliseconds since 1970."""
    return time.time_ns() // 1_000_000


def _parse_config(pairs: tuple[str, ...]) -> BrokerConfig:
    """The `--config` options. Raises click.BadParameter."""
    given = {}
    for pair in pairs:
        name, found, value = pair.partition("=")
        if not found:
            raise click.BadParameter(f"{pair!r} is not KEY=VALUE", param_hint="--config")
        given[name.strip()] = value
    try:
        return BrokerConfig(given)
    except BrokerError as error:
        raise click.BadParameter(error.message, param_hint="--config") from error


class DataDirectory(click.Path):
    """A directory by its name. None is taken for the current one, as pathlib would: a variable was not set."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.ParamType`."""
        if not value:
            self.fail("an empty name; give a directory (. is the current one)", param, ctx)
        return super().convert(value, param, ctx)


@click.command(help=EXAMPLES)
@click.option(
    "--data",
    required=True,
    multiple=True,
    type=DataDirectory(file_okay=False, path_type=Path),
    help="The data directory; repeatable, to spread logs over several disks (log.dirs).",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on and to tell clients.")
@click.option("--port", default=9092, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 picks one.")
@click.option("--node-id", default=1, show_default=True, type=click.IntRange(0), help="This broker's id.")
@click.option("--config", "configs", multiple=True, metavar="KEY=VALUE", help="A broker config of Kafka; repeatable.")
@click.option(
    "--log-level",
    default="warning",
    show_default=True,
    type=click.Choice(["debug", "info", "warning", "error"]),
    help="What is logged on standard error.",
)
def serve(data: tuple[Path, ...], host: str, port: int, node_id: int, configs: tuple[str, ...], log_level: str) -> None:
    """See EXAMPLES."""
    logging.basicConfig(level=log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    config = _parse_config(configs)
    try:
        broker = Broker(RealFileSystem(), data[0], config, node_id, now_ms, data[1:])
    except NestedDirectoriesError as error:
        raise click.BadParameter(str(error), param_hint="--data") from error
    except (DataDirectoryError, CheckpointError, OSError) as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Interrupted.", err=True)
        sys.exit(INTERRUPTED)
    try:
        if broker.look_at_failures():  # the first directory may have failed since it was opened
            asyncio.run(_run(broker, host, port))
    except ListenError as error:
        raise click.ClickException(str(error)) from error
    finally:
        broker.close()
    if not broker.look_at_failures():
        raise click.ClickException(f"stopped, because {broker.failure}")


async def _run(broker: Broker, host: str, port: int) -> None:
    """Serve until a signal comes."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    connections: set[Connection] = set()
    dispatcher = Dispatcher(broker)
    frame_size_max = broker.config.number("socket.request.max.bytes")
    server = await _listen(lambda: Connection(dispatcher, frame_size_max, connections), host, port)
    broker.host, broker.port = host, server.sockets[0].getsockname()[1]
    click.echo(f"listening on {broker.host}:{broker.port}")
    sys.stdout.flush()
    housekeeping = Housekeeping(broker)
    _keep_house(loop, housekeeping, stop)
    threading.Thread(target=_load_slow_modules, name="load", daemon=True).start()
    await stop.wait()
    logger.info("stopping")
    housekeeping.close()
    server.close()
    for connection in tuple(connections):
        connection.close()


async def _listen(connection: Callable[[], Connection], host: str, port: int) -> asyncio.Server:
    """Listen on an address. Raises ListenError."""
    try:
        return await asyncio.get_running_loop().create_server(connection, host, port)
    except socket.gaierror as error:
        why = f"{error.strerror}; {OTHER_HOST}"
    except UnicodeError:  # a name that can't even be asked for, as "a..b"
        why = f"not a name of a host; {OTHER_HOST}"
    except OSError as error:
        what = os.strerror(error.errno) if error.errno else error
        why = f"{what}; {ADVICE.get(error.errno or 0, 'see --host and --port')}"
    raise ListenError(f"cannot listen on {host}:{port}: {why}")


def _keep_house(loop: asyncio.AbstractEventLoop, housekeeping: Housekeeping, stop: asyncio.Event) -> None:
    """Do what is due, and come back; an error is logged by the loop and ends one round only."""
    delay_ms = HOUSEKEEPING_INTERVAL_MS
    try:
        if not housekeeping.can_go_on():
            stop.set()
        delay_ms = min(delay_ms, housekeeping.run())
    finally:
        loop.call_later(delay_ms / 1000, _keep_house, loop, housekeeping, stop)


def _load_slow_modules() -> None:
    for name in SLOW_MODULES:
        import_module(name)
