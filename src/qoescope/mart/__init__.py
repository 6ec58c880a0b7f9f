"""Lake to Postgres, live and batch: quality and audience."""
