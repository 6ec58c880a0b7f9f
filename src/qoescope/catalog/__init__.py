"""What exists: events, tables, topics, dimensions, measures, metrics, faults, errors. Plain data, standard library only."""
