"""Marts to people: the API, the console, and who may see what."""
