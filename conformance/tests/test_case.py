"""What a case is given to work with, on a target that makes topics only by being asked about them."""

from __future__ import annotations

from conformance.case import Run
from conformance.client import Client
from conformance.names import Names
from conformance.targets.mock import Mock
from model.profiles import profile_named


def test_leader_epochs_of_a_topic_made_by_asking_are_known() -> None:
    with Mock() as target:
        client = Client(target)
        try:
            run = Run(client, profile_named(target.default_profile), Names("tidegauge-test"))
            topic = run.topic()
            partitions = run.cluster.topics[topic].partitions
        finally:
            client.close()
    assert {partition.leader_epoch for partition in partitions} == {0}
    assert {partition.epoch_starts for partition in partitions} == {((0, 0),)}
