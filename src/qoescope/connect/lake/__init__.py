"""The lake: Delta tables without Spark. Tasks write Parquet files; one commit makes them all visible, once."""
