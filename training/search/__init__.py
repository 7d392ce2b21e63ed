"""Ray Tune over recipes."""
