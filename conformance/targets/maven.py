"""Jars from Maven, brought once and kept.

A folder of the cache holds what one `maven/*/pom.xml` names. It is filled beside its final place and renamed when
it is complete, so its existence is the marker of completion; its name carries a digest of the pom, so that another
pinned version means another folder. The cache is `$TIDEGAUGE_CACHE`, or else `~/.cache/tidegauge`.

Old folders are not cleared away: delete the cache to have the room back.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from conformance.targets.base import TargetError
from conformance.targets.processes import Child, run

_POMS = Path(__file__).parent / "maven"
_CEILING_S = 900.0
_INSTALL = "install a JDK 17 and Maven, e.g. apt-get install openjdk-17-jdk-headless maven"


class MissingProgramError(TargetError):
    """Java or Maven is not installed. The text says how to."""


def java_command(pom: str, options: Sequence[str]) -> list[str]:
    """What runs a class of what `maven/<pom>/pom.xml` names; the class and its arguments are to follow.

    Raises:
        MissingProgramError: there is no Java, or no Maven to bring the jars.
        TargetError: Maven could not bring the jars.
    """
    runtime = java()  # asked for first: Maven's own words for a missing Java don't say what to do
    return [runtime, *options, "-cp", str(jars(pom) / "*")]


def jars(pom: str) -> Path:
    """The folder with the jars that `maven/<pom>/pom.xml` names and all that they depend on.

    Raises:
        MissingProgramError: there is no Maven.
        TargetError: Maven could not bring them.
    """
    source = _POMS / pom / "pom.xml"
    folder = _cache() / f"{pom}-{hashlib.sha256(source.read_bytes()).hexdigest()[:12]}"
    if folder.exists():
        return folder
    with _locked(folder.with_name(f"{folder.name}.lock")):
        if not folder.exists():  # while we waited, another suite may have brought it
            _bring(source, folder)
    return folder


def java() -> str:
    """The Java runtime: `$JAVA_HOME`'s, or else the one on the path.

    Raises:
        MissingProgramError: there is none.
    """
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=str(Path(home, "bin"))) if home else shutil.which("java")
    if found is None:
        where = f"in $JAVA_HOME ({home})" if home else "on the path"
        raise MissingProgramError(f"there is no java {where}: {_INSTALL}")
    return found


def _cache() -> Path:
    chosen = os.environ.get("TIDEGAUGE_CACHE")
    folder = Path(chosen) if chosen else Path.home() / ".cache" / "tidegauge"
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            _say(f"waiting for another run to bring {path.stem}")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _bring(pom: Path, folder: Path) -> None:
    maven = shutil.which("mvn")
    if maven is None:
        raise MissingProgramError(f"there is no mvn on the path: {_INSTALL}")
    _say(f"bringing {pom.parent.name} by Maven into {folder} (once; about a minute)")
    with tempfile.TemporaryDirectory(prefix="partial-", dir=folder.parent) as scratch:
        place = Path(scratch, "jars")
        command = [
            maven, "-B", "-q", "-f", str(pom), "dependency:copy-dependencies",
            f"-DoutputDirectory={place}", "-DincludeScope=runtime",
        ]  # fmt: skip
        child = Child(f"Maven, bringing {pom.parent.name}", command, folder=Path(scratch), log=Path(scratch, "log"))
        run(child, _CEILING_S)
        place.rename(folder)


def _say(message: str) -> None:
    sys.stderr.write(f"tidegauge: {message}\n")
    sys.stderr.flush()
