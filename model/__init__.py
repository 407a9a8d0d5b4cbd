"""What must hold: the spec, written once. Imports nothing else of this project."""
