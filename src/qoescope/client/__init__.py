"""Client: events from a Python program of one's own to a collector."""
