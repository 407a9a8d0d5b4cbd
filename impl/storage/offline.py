"""What stands for a log that could not be opened, because its directory is offline (`HostedPartition.Offline`)."""

from pathlib import Path

from impl.errors import StorageError
from impl.storage.log import Log


class OfflineLog(Log):
    """A log of which nothing is known but why. It looks empty; whoever uses it looks at `failure` first."""

    def __init__(self, directory: Path, failure: StorageError) -> None:
        """Nothing is opened, so that no disk is asked."""
        self.directory = directory
        self.failure = failure
        self.log_start_offset = self.log_end_offset = self.recovery_point = 0
        self.last_epoch = None
        self.may_have_gaps = True
        self.on_roll = self.on_failure = None
        self._segments = []

    def moved_to(self, directory: Path) -> None:
        """See `Log`."""
        self.directory = directory
