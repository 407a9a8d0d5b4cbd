"""What a cluster of one broker knows beyond its logs: topics, configurations, producer ids, committed offsets."""
