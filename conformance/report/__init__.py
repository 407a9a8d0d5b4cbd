"""Verdicts, told to people and to programs."""
