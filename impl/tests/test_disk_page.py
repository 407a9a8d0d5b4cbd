"""The page about the disk (`docs/disk.md`): its formats are those that are written, and no file is left out of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

import pytest

from impl.cluster.catalog import TopicRequest
from impl.cluster.configs import BrokerConfig
from impl.server.broker import Broker
from impl.server.housekeeping import Housekeeping
from impl.storage.batch import HEADER
from impl.storage.filesystem import File, Lock, RealFileSystem
from impl.storage.indexes import OFFSET_ENTRY, TIME_ENTRY
from impl.storage.producer_state import SNAPSHOT_ENTRY, SNAPSHOT_HEADER
from impl.storage.transactions import ENTRY
from impl.tests.logs import pairs_batch
from impl.tests.support import NOW, ROOT

PAGE = (ROOT / "docs" / "disk.md").read_text(encoding="utf-8")
CODES = {"int8": "b", "int16": "h", "int32": "i", "uint32": "I", "int64": "q"}
FORMATS = {
    "Batch header": HEADER,
    "Offset index entry": OFFSET_ENTRY,
    "Time index entry": TIME_ENTRY,
    "Producer snapshot": SNAPSHOT_HEADER,
    "Producer snapshot entry": SNAPSHOT_ENTRY,
    "Transaction index entry": ENTRY,
}
PATIENCE_TURNS = 100


def fields(heading: str) -> list[tuple[int, str]]:
    """Where each field of a format is, and its type, as the page has them."""
    part = PAGE.partition(f"### {heading}\n")[2].partition("\n#")[0]
    return [(int(at), kind) for at, kind in re.findall(r"^\| (\d+) \| (u?int\d+) \|", part, re.MULTILINE)]


@pytest.mark.parametrize("heading", FORMATS)
def test_fields_follow_each_other(heading: str) -> None:
    at = 0
    for position, kind in fields(heading):
        assert position == at
        at += Struct(CODES[kind]).size


@pytest.mark.parametrize("heading", FORMATS)
def test_a_format_is_the_one_that_is_written(heading: str) -> None:
    assert ">" + "".join(CODES[kind] for _, kind in fields(heading)) == FORMATS[heading].format


class Listed(RealFileSystem):
    """The operating system's files; notes the name of everything that is made."""

    def __init__(self) -> None:
        super().__init__()
        self.made: set[Path] = set()

    def open(self, path: Path, *, create: bool = False, truncate: bool = False) -> File:
        """See `FileSystem`."""
        if create:
            self.made.add(path)
        return super().open(path, create=create, truncate=truncate)

    def lock(self, path: Path) -> Lock:
        """See `FileSystem`."""
        self.made.add(path)
        return super().lock(path)

    def make_directory(self, path: Path) -> None:
        """See `FileSystem`."""
        self.made.add(path)
        super().make_directory(path)

    def write_file(self, path: Path, content: bytes, *, durable: bool) -> None:
        """See `FileSystem`."""
        self.made.add(path)
        super().write_file(path, content, durable=durable)

    def move(self, old: Path, new: Path) -> None:
        """See `FileSystem`."""
        self.made.add(new)
        super().move(old, new)


def use_all(files: Listed, home: Path) -> None:
    """Have a broker make files of every kind: it compacts, deletes, stops, and finds two things amiss."""
    config = BrokerConfig({"log.initial.task.delay.ms": "0", "log.retention.check.interval.ms": "1000"})
    broker = Broker(files, home, config, 1, lambda: NOW)
    for name, configs in (("gone", {}), ("t", {"cleanup.policy": "compact,delete", "segment.bytes": "110"})):
        broker.create_topic(broker.catalog.check_creation(TopicRequest(name, 1, configs=configs)))
    partition = broker.partition("t", 0)
    for _ in range(5):
        partition.append(memoryview(pairs_batch([(b"k", b"v" * 30)])), NOW)
    keeper = Housekeeping(broker)
    for _ in range(PATIENCE_TURNS):
        keeper.run()
    keeper.close()
    broker.producer_ids.allocate()
    broker.delete_records(partition, 1)
    broker.delete_topic("gone")
    broker.close()
    (home / "cleaner-offset-checkpoint").write_text("?")
    (home / "gone-0").mkdir()
    again = Broker(files, home, config, 1, lambda: NOW)
    again.create_topic(again.catalog.check_creation(TopicRequest("gone", 1)))
    again.close()


def named(path: Path) -> Iterator[str]:
    """What the page must have of a name: an ending of what is numbered or named after a topic, or else the name."""
    name = path.name
    while (ending := Path(name).suffix) in {".tmp", ".deleted", ".cleaned", ".swap", ".corrupt"}:
        yield ending
        name = name.removesuffix(ending)
    if name.endswith(("-delete", "-stray")):
        yield f"-{name.rpartition('-')[2]}"
    elif re.fullmatch(r"\d{20}\.[a-z]+", name):
        yield Path(name).suffix
    elif name not in {"t-0", "gone-0"}:
        yield name


def test_the_page_has_every_file_that_a_broker_makes_and_it_makes_all_of_them(tmp_path: Path) -> None:
    files = Listed()
    home = tmp_path / "data"
    use_all(files, home)
    made = {each for path in files.made if path != home for each in named(path)}
    told = set(re.findall(r"`([^` ]+)`", PAGE)) | set(re.findall(r"[─, ] ?([a-z][a-z-]+)/", PAGE.split("```")[1]))
    assert made - told == set()
    rows = re.findall(r"^\| (`[^|]+`) \|", PAGE.partition("## Formats")[0], re.MULTILINE)
    listed = {each for row in rows for each in re.findall(r"`([^`]+)`", row)}
    assert listed - made == {".txnindex"}  # clients can't write transactions
