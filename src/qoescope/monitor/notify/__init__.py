"""Notifications: what is due, to whom, how each channel takes it, and how it is delivered."""
