"""ListOffsets (LST): where a partition starts and ends, and which offset a time has.

Source: ReplicaManager.fetchOffset, UnifiedLog.fetchOffsetByTimestamp.
"""
