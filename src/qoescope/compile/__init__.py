"""How each engine says what the catalog declares: Arrow, Spark, DuckDB, Postgres, the wire, pages; pure."""
