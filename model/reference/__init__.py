"""The state of a cluster as a client can know it, and what each operation may answer: plain pure functions."""
