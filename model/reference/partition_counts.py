"""CreatePartitions (MET): raising the partition count.

Source: ReplicationControlManager.createPartitions; KIP-195.
"""
