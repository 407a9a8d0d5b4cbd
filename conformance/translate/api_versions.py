"""ApiVersions between the model and the wire."""
