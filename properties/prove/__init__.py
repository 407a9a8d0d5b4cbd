"""Proof: obligations for every action and clause, discharged by z3 for any size."""
