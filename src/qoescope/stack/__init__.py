"""All of it on one machine: broker, Postgres, Airflow and our own parts as supervised children."""
