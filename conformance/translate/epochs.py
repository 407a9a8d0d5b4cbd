"""Leader epochs on the wire between the model and the wire."""
