"""Barometer's ground floor: what every other room shares."""

__version__ = "0.1.0"
