"""What watches the live model."""
