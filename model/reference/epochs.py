"""Leader epochs on the wire (EPO): fencing and OffsetForLeaderEpoch.

Source: LeaderEpochFileCache.endOffsetFor, Partition.checkCurrentLeaderEpoch; KIP-101, KIP-320.
"""
