"""A file-backed Kafka broker for one machine: the implementation that Tidegauge bundles.

It behaves as Apache Kafka 3.9 in KRaft mode does with one broker. It knows nothing of the model, the suite or
the properties: the suite reaches it over the wire only, as it reaches any other implementation.
"""
