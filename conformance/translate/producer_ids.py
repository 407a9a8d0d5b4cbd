"""Handing out producer ids between the model and the wire."""
