"""CreatePartitions between the model and the wire."""
