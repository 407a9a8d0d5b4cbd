"""Variants: what a machine would be without what keeps it safe, each with the history of who found out."""
