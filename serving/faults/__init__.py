"""A fault test: posts go in while everything is broken, and at the end sets of ids are compared."""
