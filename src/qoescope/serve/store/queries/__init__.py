"""Queries: the SQL behind the console's pages, one subject a module; each takes the store of a property."""
