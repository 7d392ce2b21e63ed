"""Bluesky, over Jetstream."""
