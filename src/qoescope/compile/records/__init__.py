"""Parses the log's records into tables; DuckDB reads whole Arrow columns of JSON, far faster than row by row."""
