"""Tests of the wire client. None needs a broker: a small server in `scripted` stands in where one must answer."""
