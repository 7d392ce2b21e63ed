"""What a model gets right, where it fails, and how sure that is."""
