"""Committed offsets of a simple consumer (OFF): a group without members.

Source: OffsetMetadataManager, GroupCoordinatorService; KIP-211, KIP-447.
"""
