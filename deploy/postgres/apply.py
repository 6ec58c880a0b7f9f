"""Brings Postgres' tables to what the catalog declares, as the owner; running it again changes nothing."""

from qoescope.settings import Settings
from qoescope.stack import schema

if __name__ == "__main__":
    schema.apply(Settings())
