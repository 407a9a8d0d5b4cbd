"""Files of one broker: record batches, segments, indexes, logs, checkpoints. No network and no clock."""
