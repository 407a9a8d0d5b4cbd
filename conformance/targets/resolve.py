"""From the word on the command line to the target.

    bundled                   our own broker, started for you
    HOST:PORT[,HOST:PORT...]  anything that speaks Kafka and runs already
    apache-kafka[:PROFILE]    Apache Kafka, started from Maven's artifacts
    mock                      librdkafka's mock cluster
    tansu, noida              brokers from PyPI (the extra `peers`)
    PATH.py:NAME              an adapter of yours, run in this process

An adapter is a subclass of `conformance.targets.base.Target` in a file of yours. It is made without arguments and
then treated like any other target: entered (`start`), reached at `bootstrap`, left (`stop`). Whatever it starts,
in this process or another, it must end.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType

from conformance.targets.address import Running, parse
from conformance.targets.apache_kafka import DEFAULT_EDITION, EDITIONS, ApacheKafka
from conformance.targets.base import BRISK, Target, TargetError
from conformance.targets.bundled import Bundled
from conformance.targets.mock import Mock
from conformance.targets.noida import Noida
from conformance.targets.tansu import Tansu

STARTED: Mapping[str, Callable[[], Target]] = {
    "bundled": partial(Bundled, settings=BRISK),
    "apache-kafka": partial(ApacheKafka, settings=BRISK),
    **{f"apache-kafka:{edition}": partial(ApacheKafka, edition, settings=BRISK) for edition in EDITIONS},
    "mock": Mock,
    "tansu": Tansu,
    "noida": Noida,
}
"""Those that we start, by name."""

_ADAPTER = re.compile(r"(?P<path>.+\.py):(?P<name>[^\W\d]\w*)")


def resolve(target: str, *, command_config: Path | None = None, fault_command: str | None = None) -> Target:
    """The target of that name, not yet entered.

    Raises:
        TargetError: there is none, or an option doesn't go with it; says what there is.
    """
    started = _started(target)
    if started is None and _ADAPTER.fullmatch(target) is None:
        return _running(target, command_config, fault_command)
    for option, value in (("--command-config", command_config), ("--fault-command", fault_command)):
        if value is not None:
            raise TargetError(f"{option} goes with HOST:PORT only; {target} brings its own")
    return started() if started is not None else _adapter(target)


def _started(target: str) -> Callable[[], Target] | None:
    name, _, edition = target.partition(":")
    if name == "apache-kafka":
        return partial(ApacheKafka, edition or DEFAULT_EDITION, settings=BRISK)
    return STARTED.get(target)


def _running(target: str, command_config: Path | None, fault_command: str | None) -> Target:
    try:
        parse(target)
    except TargetError as error:
        choices = [*STARTED, "HOST:PORT[,HOST:PORT...]", "PATH.py:NAME"]
        meant = _meant(target, STARTED)
        raise TargetError(f"no target {target!r}{meant}; there are {', '.join(choices)} ({error})") from error
    return Running(target, command_config=command_config, fault_command=fault_command)


def _adapter(target: str) -> Target:
    found = _ADAPTER.fullmatch(target)
    assert found is not None
    path, name = Path(found["path"]), found["name"]
    module = _load(path)
    adapter = getattr(module, name, None)
    if adapter is None:
        raise TargetError(f"{path} has no {name}{_meant(name, vars(module))}")
    if not (isinstance(adapter, type) and issubclass(adapter, Target)):
        raise TargetError(f"{name} in {path} is not a subclass of conformance.targets.base.Target")
    made = adapter()
    if not hasattr(made, "name"):
        made.name = target
    return made


def _load(path: Path) -> ModuleType:
    if not path.is_file():
        raise TargetError(f"there is no file {path}")
    whole = path.resolve()
    name = f"tidegauge_adapter_{whole.stem}_{hashlib.sha256(bytes(whole)).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, whole)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes look their module up while they are being made
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever a file of someone else's raises is told as that file's fault
        del sys.modules[name]
        raise TargetError(f"{path} can't be loaded: {type(error).__name__}: {error}") from error
    return module


def _meant(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, [name for name in known if not name.startswith("_")], n=1)
    return f" (did you mean {close[0]}?)" if close else ""
