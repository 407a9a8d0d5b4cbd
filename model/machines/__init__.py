"""Protocols as machines: who may act, when, and what changes, in the words of `model.language`."""
