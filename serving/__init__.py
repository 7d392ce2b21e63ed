"""What answers people and programs."""
