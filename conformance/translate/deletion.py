"""DeleteRecords between the model and the wire."""
