"""Hacker News: comments and stories by keyword."""
