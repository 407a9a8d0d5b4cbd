"""Files are opened, written and renamed behind `impl.storage.filesystem` only, or the simulated disk would not know.

Looked at: calls by name in the sources of the bundled broker. Not found: calls through other names, extensions, and
methods of paths that the file system has, too (`rename`, `unlink`).
"""

from __future__ import annotations

import ast
from pathlib import Path

import impl

ROOT = Path(impl.__file__).parent
DOOR = {"storage/filesystem.py", "storage/real_file.py"}
OTHERS = {"server/framing.py": {"os.pread", "os.sendfile"}}
"""What sends a file to a socket has its descriptor; `test_sending.py` looks at that."""
FILES = {
    "access", "copy_file_range", "fdatasync", "fsync", "ftruncate", "link", "listdir", "makedirs", "mkdir", "open",
    "pread", "preadv", "pwrite", "pwritev", "read", "remove", "rename", "replace", "rmdir", "scandir", "sendfile",
    "stat", "symlink", "truncate", "unlink", "write", "writev",
}  # fmt: skip
PATHS = {"read_bytes", "read_text", "write_bytes", "write_text", "touch", "hardlink_to", "symlink_to"}


def doors_of(source: str) -> set[str]:
    """The calls of a source that reach files by themselves."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        module, _, name = called.rpartition(".")
        if (module in {"os", "shutil"} and (module == "shutil" or name in FILES)) or called in {"open", "io.open"}:
            found.add(called)
        elif module and (name in PATHS or (name == "open" and _has_mode(node))):
            found.add(name)
    return found


def _has_mode(call: ast.Call) -> bool:
    """Whether what is opened is a path, and no log or file of the file system: they have no mode."""
    given = [*call.args[:1], *(each.value for each in call.keywords if each.arg == "mode")]
    return not given or any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in given)


def test_files_have_one_door() -> None:
    sources = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in ROOT.rglob("*.py")}
    found = {name: doors_of(text) for name, text in sources.items() if not name.startswith("tests/")}
    beside = {name: doors - OTHERS.get(name, set()) for name, doors in found.items() if name not in DOOR}
    assert {name: doors for name, doors in beside.items() if doors} == {}
    assert all(found[name] for name in DOOR)


def test_a_file_that_is_opened_beside_it_is_seen() -> None:
    assert doors_of("files.open(path, create=True); log.read(0)") == set()
    assert doors_of("with path.open() as f: f.read()") == doors_of("path.open(mode='wb')") == {"open"}
    assert doors_of("os.replace(a, b); open(a); path.write_bytes(b)") == {"os.replace", "open", "write_bytes"}
    assert doors_of("os.path.join(a, b); shutil.rmtree(a)") == {"shutil.rmtree"}
