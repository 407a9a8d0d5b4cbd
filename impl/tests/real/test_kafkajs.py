"""The broker with kafkajs, which npm installs into a directory of the test's own.

Records are read by its broker class, below the consumer: that one joins a group, and the broker has no members of
groups.
"""

import json
import subprocess
from pathlib import Path

import pytest

from impl.tests.support import BrokerProcess

pytestmark = pytest.mark.real("npm", "node")

VERSION = "2.2.4"
TIMEOUT_S = 120.0

SCRIPT = """
const { Kafka, CompressionTypes, logLevel } = require('kafkajs');
const kafka = new Kafka({ brokers: [process.argv[2]], logLevel: logLevel.ERROR });
(async () => {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic: 'kafkajs', numPartitions: 2 }], waitForLeaders: true });
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 });
  await producer.connect();
  for (const compression of [CompressionTypes.None, CompressionTypes.GZIP]) {
    const messages = [...Array(100).keys()].map(n => ({ partition: 0, key: `k${n}`, value: `v${n}` }));
    await producer.send({ topic: 'kafkajs', compression, messages });
  }
  const factory = Object.getOwnPropertySymbols(kafka).find(each => String(each).includes('createCluster'));
  const cluster = kafka[factory]({ isolationLevel: 1, metadataMaxAge: 60000, instrumentationEmitter: null });
  await cluster.connect();
  await cluster.addTargetTopic('kafkajs');
  const nodeId = cluster.findTopicPartitionMetadata('kafkajs').find(each => each.partitionId === 0).leader;
  const broker = await cluster.findBroker({ nodeId });
  const read = [];
  while (read.length < 200) {
    const partition = { partition: 0, fetchOffset: read.length, maxBytes: 1048576 };
    const answer = await broker.fetch({
      replicaId: -1, isolationLevel: 1, maxWaitTime: 1000, minBytes: 1, maxBytes: 10485760, rackId: '',
      topics: [{ topic: 'kafkajs', partitions: [partition] }],
    });
    const [{ messages }] = answer.responses[0].partitions;
    if (messages.length === 0) throw new Error(`nothing at ${read.length}`);
    const fresh = messages.filter(each => Number(each.offset) >= read.length);
    read.push(...fresh.map(each => [each.offset, String(each.key), String(each.value)]));
  }
  await cluster.disconnect();
  const ends = await admin.fetchTopicOffsets('kafkajs');
  const committed = await admin.fetchOffsets({ groupId: 'g', topics: ['kafkajs'] });
  await producer.disconnect();
  await admin.disconnect();
  console.log(JSON.stringify({ ends, committed, read }));
})().catch(error => { console.error(error); process.exit(1); });
"""


def test_topics_records_and_offsets(shared_broker: BrokerProcess, tmp_path: Path) -> None:
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", f"kafkajs@{VERSION}"]
    subprocess.run(install, cwd=tmp_path, check=True, timeout=TIMEOUT_S, capture_output=True)
    (tmp_path / "run.js").write_text(SCRIPT)
    done = subprocess.run(
        ["node", "run.js", shared_broker.address],
        cwd=tmp_path, check=True, timeout=TIMEOUT_S, capture_output=True, text=True,
    )  # fmt: skip
    answer = json.loads(done.stdout)
    assert {each["partition"]: each["high"] for each in answer["ends"]} == {0: "200", 1: "0"}
    numbers = [*range(100), *range(100)]
    assert answer["read"] == [[str(offset), f"k{each}", f"v{each}"] for offset, each in enumerate(numbers)]
    assert {each["offset"] for each in answer["committed"][0]["partitions"]} == {"-1"}
