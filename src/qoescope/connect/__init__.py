"""The only sockets: Kafka, Spark, Postgres, the lake's files; and `ask`, the one query on the marts."""
