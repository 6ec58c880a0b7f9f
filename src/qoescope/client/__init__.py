"""A client for Python programs: sends events to a collector."""
