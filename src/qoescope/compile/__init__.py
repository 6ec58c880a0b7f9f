"""How each engine says what the catalog declares: Arrow, DuckDB, Spark, Postgres, the wire, the glossary. Pure."""
