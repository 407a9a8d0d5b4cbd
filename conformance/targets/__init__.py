"""The ways to reach an implementation: a file a target."""
