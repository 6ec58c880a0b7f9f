"""What exists: events, tables, topics, dimensions, measures, metrics, faults, errors. Only the standard library."""
