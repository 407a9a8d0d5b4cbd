"""DeleteRecords (LOG): raising the log start offset.

Source: ReplicaManager.deleteRecords; KIP-107.
"""
