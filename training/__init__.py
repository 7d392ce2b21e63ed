"""From labelled rows to a registered model."""
