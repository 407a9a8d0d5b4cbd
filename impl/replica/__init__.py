"""What one broker does with the partitions that it holds: no I/O framework, and no clock of its own."""
