"""Records: what lies in the log, as tables; DuckDB parses whole Arrow tables of JSON, far faster than row by row."""
