"""What is shown about the model: invariants, proofs, explorations. Empty until the replication machine arrives."""
