"""What is claimed of the machines, and the inductive invariants by which it is proved. One file a machine."""
