"""Prefect flows: what runs when, and in which order."""
