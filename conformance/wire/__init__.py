"""The suite's own Kafka wire client: it can send what no well-behaved client sends, and trusts no answer.

Read in this order:

- `errors`, `primitives`: what can go wrong, and Kafka's types as bytes;
- `compression`, `records`, `batch`: message format v2, with every lie that a `Batch` tells;
- `produce`, `fetch`, `fetch_answer`, `leaders`: our codecs for the two requests that carry records;
- `schemas`: kafka-python's schemas for every other request, read strictly;
- `apis`: which of the two speaks what;
- `jaas`, `tls`, `security`, `connection`: a connection, and how it logs in;
- `render`: all of it as text for people.

Not here: retries, metadata caches, reconnects and leader discovery; a case that wants them says so itself.
"""
