"""The suite's own Kafka wire client: it can send what no well-behaved client sends, and trusts no answer.

Read in this order: `primitives` (Kafka's types as bytes), `records` and `batch` (message format v2),
`produce` and `fetch` (our codecs), `schemas` (kafka-python's schemas for every other request), `apis`
(which of the two speaks what), `connection`, `security`, `render`.

Not here: retries, metadata caches, reconnects and leader discovery; a case that wants them says so itself.
"""
