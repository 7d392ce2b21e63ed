"""A new head for a new domain, without torch."""
