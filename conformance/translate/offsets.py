"""ListOffsets between the model and the wire."""
