"""Pages of the console: one question and one address a module."""
