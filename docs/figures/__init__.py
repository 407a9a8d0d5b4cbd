"""Figures of the documentation, each drawn by a script here."""
