"""A model folder in, answers out."""
