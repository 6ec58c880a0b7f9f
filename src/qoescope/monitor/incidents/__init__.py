"""Incidents: findings become incidents that open, are confirmed and close, with what they cost and their story."""
