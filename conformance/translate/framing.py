"""Hostile bytes between the model and the wire."""
