"""The readings of the language. Today one: Python values."""
