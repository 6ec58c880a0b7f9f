"""Stage 4, lake to Postgres: checks, measures, restatements, and the ledger that compares them."""
