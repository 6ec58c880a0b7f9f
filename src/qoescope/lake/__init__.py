"""Kafka to Delta, streaming: events and sessions, each once."""
