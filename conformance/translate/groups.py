"""Committed offsets of a simple consumer between the model and the wire."""
