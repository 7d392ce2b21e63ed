"""How fast one scorer stores posts, beside what its model alone could do, and how late they are."""
