"""Exploration: every state of a machine of given sizes, a level at a time."""
