"""Store: what the console and the API read and write in Postgres and the lake, and what they start elsewhere."""
