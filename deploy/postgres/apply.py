"""Makes the catalog's tables in Postgres, as the owner; running it again changes nothing."""

from qoescope.catalog.stored import POSTGRES_TABLES
from qoescope.compile import ddl
from qoescope.connect import postgres
from qoescope.settings import Settings


def main() -> None:
    """The program."""
    with postgres.connect(Settings(), "owner") as connection:
        connection.execute(ddl.schema(POSTGRES_TABLES).encode())


if __name__ == "__main__":
    main()
