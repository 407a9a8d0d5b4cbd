"""How an implementation is held to the model: cases, generated sequences, targets, reports."""
