"""The catalogue of requirements, as TOML files: one a family."""
