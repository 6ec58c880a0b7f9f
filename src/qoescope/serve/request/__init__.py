"""Request: who asks, and about which time range and filters."""
