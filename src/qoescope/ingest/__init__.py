"""Stage 2, HTTP → Kafka: judge each event, account for it."""
