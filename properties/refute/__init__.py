"""Refutation: what goes wrong when a guard is left out, by a way as short as a search finds it."""
