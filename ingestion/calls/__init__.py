"""Calls of the outside world: bounded, patient within limits, and no more than allowed."""
