"""Fetch sessions between the model and the wire."""
