"""MET: fetch sessions."""

from __future__ import annotations

from conformance.case import Run, batch_of, case
from conformance.client import Unsupported
from conformance.session import Performed
from conformance.wire.apis import Api
from model.reference.operations import FetchInSession, FetchPart

SESSIONS = {Api.FETCH: (7, None)}
CLOSE = -1


class Fetcher:
    """A client with a session on one broker, which leads all partitions of the topic that it reads."""

    def __init__(self, run: Run, partitions: int = 2) -> None:
        """Create the topic, which one broker leads."""
        self.run = run
        self.session_id = 0
        self.epoch = 0
        self.topic = run.topic(partitions)
        self.broker = run.client.leader(self.topic, 0)

    def part(self, partition: int, offset: int) -> FetchPart:
        """From where to read a partition."""
        return FetchPart(topic=self.topic, partition=partition, offset=offset)

    def fetch(self, *parts: FetchPart, forget: tuple[int, ...] = (), epoch: int | None = None) -> Performed:
        """The session's next fetch, or one with another epoch."""
        forgotten = tuple((self.topic, partition) for partition in forget)
        asked = self.epoch if epoch is None else epoch
        operation = FetchInSession(parts=parts, session_id=self.session_id, session_epoch=asked, forgotten=forgotten)
        step = self.run.perform(operation, broker=self.broker)
        if epoch is None:
            self.epoch += 1
        return step

    def open(self, *parts: FetchPart) -> None:
        """Open a session.

        Raises:
            Unsupported: the target opens none, as it may.
        """
        self.session_id, self.epoch = 0, 0
        session_id = self.fetch(*parts).values(-1).get("session_id")
        if not isinstance(session_id, int) or session_id == 0:
            raise Unsupported("the target opened no fetch session")
        self.session_id = session_id

    def produce(self, partition: int, *values: bytes) -> None:
        """Append to a partition."""
        self.run.produce(self.topic, batch_of(*values), partition=partition)


@case("MET-56", versions=SESSIONS)
def opening_a_session(run: Run) -> None:
    """Fetch with epoch 0 from partitions with and without records, twice; each opens a session of its own."""
    fetcher = Fetcher(run)
    fetcher.produce(0, b"a", b"b")
    for _ in range(2):
        fetcher.session_id, fetcher.epoch = 0, 0
        fetcher.fetch(fetcher.part(0, 0), fetcher.part(1, 0))


@case("MET-57", versions=SESSIONS)
def unchanged_partitions_are_left_out(run: Run) -> None:
    """Open a session at the ends of two partitions and fetch: nothing; append to one, and fetch twice more."""
    fetcher = Fetcher(run)
    fetcher.produce(0, b"a", b"b")
    fetcher.open(fetcher.part(0, 2), fetcher.part(1, 0))
    fetcher.fetch()
    fetcher.fetch(fetcher.part(0, 2))
    fetcher.produce(1, b"c")
    fetcher.fetch()
    fetcher.fetch(fetcher.part(1, 1))
    fetcher.fetch()


@case("MET-58", versions=SESSIONS)
def changes_are_told(run: Run) -> None:
    """Append to partitions that the requests do not name; what was not yet read past comes again."""
    fetcher = Fetcher(run, 3)
    fetcher.open(*(fetcher.part(partition, 0) for partition in range(3)))
    fetcher.produce(1, b"a")
    fetcher.fetch()
    fetcher.fetch()
    fetcher.produce(2, b"b")
    fetcher.fetch(fetcher.part(1, 1))
    fetcher.produce(0, b"c")
    fetcher.produce(1, b"d")
    fetcher.fetch(fetcher.part(2, 1))


@case("MET-59", versions=SESSIONS)
def unknown_session(run: Run) -> None:
    """Continue a session that nobody opened."""
    fetcher = Fetcher(run)
    fetcher.produce(0, b"a")
    fetcher.session_id = 1_234_567
    for epoch in (1, 17):
        fetcher.fetch(fetcher.part(0, 0), epoch=epoch)
        fetcher.fetch(epoch=epoch)


@case("MET-60", versions=SESSIONS)
def wrong_session_epoch(run: Run) -> None:
    """Repeat an epoch, skip one, and go on with the right one: the session is as it was."""
    fetcher = Fetcher(run)
    fetcher.open(fetcher.part(0, 0), fetcher.part(1, 0))
    fetcher.fetch()
    fetcher.produce(0, b"a")
    fetcher.fetch(fetcher.part(1, 0), epoch=fetcher.epoch - 1)
    fetcher.fetch(forget=(0,), epoch=fetcher.epoch + 1)
    fetcher.fetch()
    fetcher.fetch(fetcher.part(0, 1))


@case("MET-61", versions=SESSIONS)
def forgotten_partitions(run: Run) -> None:
    """Forget one of three partitions and append to all; then forget the rest."""
    fetcher = Fetcher(run, 3)
    fetcher.open(*(fetcher.part(partition, 0) for partition in range(3)))
    fetcher.fetch(forget=(1,))
    for partition in range(3):
        fetcher.produce(partition, b"a")
    fetcher.fetch()
    fetcher.fetch(fetcher.part(0, 1), fetcher.part(2, 1))
    fetcher.fetch(forget=(0, 2))
    fetcher.fetch()


@case("MET-62", versions=SESSIONS)
def closing_a_session(run: Run) -> None:
    """Close a session with epoch -1, and another by opening a new one; neither can be continued."""
    fetcher = Fetcher(run)
    fetcher.open(fetcher.part(0, 0))
    fetcher.fetch()
    fetcher.fetch(fetcher.part(0, 0), epoch=CLOSE)
    fetcher.fetch()
    fetcher.open(fetcher.part(0, 0))
    old, epoch = fetcher.session_id, fetcher.epoch
    fetcher.fetch(fetcher.part(0, 0), epoch=0)
    fetcher.session_id, fetcher.epoch = old, epoch
    fetcher.fetch()


@case("MET-63", versions=SESSIONS)
def errors_are_repeated(run: Run) -> None:
    """Keep a partition out of range in a session, and one that does not exist, until the errors are gone."""
    fetcher = Fetcher(run)
    fetcher.open(fetcher.part(0, 5), fetcher.part(1, 0), fetcher.part(9, 0))
    fetcher.fetch()
    fetcher.fetch()
    fetcher.fetch(fetcher.part(0, 0), forget=(9,))
    fetcher.fetch()


@case("MET-64", versions=SESSIONS)
def new_positions_and_partitions(run: Run) -> None:
    """Go back in a partition, add another to the session, forget one and add it again."""
    fetcher = Fetcher(run, 3)
    for partition in range(3):
        fetcher.produce(partition, b"a", b"b", b"c")
    fetcher.open(fetcher.part(0, 3), fetcher.part(1, 3))
    fetcher.fetch(fetcher.part(0, 1))
    fetcher.fetch()
    fetcher.fetch(fetcher.part(2, 3), fetcher.part(0, 3))
    fetcher.fetch(forget=(1,))
    fetcher.fetch(fetcher.part(1, 3))
    fetcher.fetch(fetcher.part(1, 0))
