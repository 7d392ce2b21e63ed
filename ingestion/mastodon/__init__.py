"""Mastodon: hashtags and public timelines of chosen servers."""
