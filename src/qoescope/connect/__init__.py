"""The only sockets: Kafka, Spark, Postgres and the lake's store; and `ask`, the one query on the marts."""
