"""The cases of the suite: a file a requirement family."""
