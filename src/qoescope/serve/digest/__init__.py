"""Digest: some days as one HTML page that loads nothing."""
