"""Tests of the wire client. None needs a broker: a small server in `scripted` stands in where one must answer."""

import conformance.wire.schemas  # noqa: F401  (kafka-python warns when first imported; this import silences that)
