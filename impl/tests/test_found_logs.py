"""What a start tells of logs that are not where they were."""

import re

import pytest

from impl.cluster.catalog import FILE_NAME as TOPICS
from impl.storage.log_directory import directory_name
from impl.tests.directories import FIRST, SECOND, THIRD, filled, open_broker


def _warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


def test_each_log_that_begins_anew_is_told(caplog: pytest.LogCaptureFixture) -> None:
    files = filled()
    names = [each for each in files.list_names(SECOND) if each.startswith("t-")]
    open_broker(files, [THIRD]).close()
    told = _warnings(caplog)
    assert sorted(each.split()[0] for each in told) == sorted(names)
    assert all("begins anew, empty, in" in each and "is not mounted" in each for each in told)


def test_no_records_are_lost_where_a_stranger_was_moved_aside(caplog: pytest.LogCaptureFixture) -> None:
    files = filled()
    with_other_id = re.sub(rb'"id": "[^"]*"', b'"id": "AAAAAAAAAAAAAAAAAAAAAQ"', files.read_file(FIRST / TOPICS))
    files.replace_file(FIRST / TOPICS, with_other_id)
    for _ in range(2):
        broker = open_broker(files)
        names = {directory_name(each) for each in broker.partitions}
        broker.close()
    told = _warnings(caplog)
    assert {each.split()[0].rpartition("/")[2] for each in told if "-stray" in each} == names
    assert not any("lost" in each for each in told)
