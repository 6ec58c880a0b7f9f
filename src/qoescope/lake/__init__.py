"""Stage 3, Kafka to Delta: events and sessions, each once."""
