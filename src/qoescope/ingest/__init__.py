"""Stage 2, HTTP to Kafka: checks each event, counts what became of it, and writes what is accepted to the log."""
