"""Monitor: marts → incidents; when it broke, which slice, how many viewers."""
