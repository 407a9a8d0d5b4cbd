"""The suite's own Kafka client: able to send what no well-behaved client sends."""
