"""Refutation: what goes wrong when a guard is left out, by a shortest way."""
