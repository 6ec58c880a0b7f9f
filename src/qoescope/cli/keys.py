"""Write keys, and accounts of people."""

from typing import Annotated

import typer

from qoescope.catalog.people import SCOPES
from qoescope.cli.terminal import AsJson, print_json, print_line, print_table, settings

app = typer.Typer(no_args_is_help=True, help="Write keys: new, list, revoke.", rich_markup_mode=None)
people = typer.Typer(
    no_args_is_help=True, help="People who sign in to the console, and API tokens.", rich_markup_mode=None
)

PropertyName = Annotated[str, typer.Argument(metavar="PROPERTY", help="The app or site.")]


@app.command()
def new(property_id: PropertyName = "demo") -> None:
    """Make a write key; it is shown this once."""
    from qoescope.ingest.jobs import manage_keys

    print_line(manage_keys.create_key(settings(), property_id))


@app.command("list")
def list_keys(as_json: AsJson = False) -> None:
    """List the keys by their first characters."""
    from qoescope.ingest.jobs import manage_keys

    rows = [
        {"prefix": key.prefix, "property": key.property, "created_at": key.created_at, "revoked_at": key.revoked_at}
        for key in manage_keys.list_keys(settings())
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows)
    else:
        print_line("no keys yet: `qoescope keys new PROPERTY`")


@app.command()
def revoke(
    prefix: Annotated[str, typer.Argument(help="The key's first characters, as `keys list` shows them.")],
) -> None:
    """Revoke a key: the door refuses it within seconds."""
    from qoescope.ingest.jobs import manage_keys

    manage_keys.revoke_key(settings(), prefix)


@people.command("new")
def new_person(
    name: Annotated[str, typer.Argument(help="The name to sign in with.")],
    role: Annotated[str, typer.Option(help="reader, operator or admin.")] = "reader",
    properties: Annotated[str, typer.Option("--property", help="What they see, separated by commas; * for all.")] = "*",
) -> None:
    """Make an account, or give it a new password; it is shown this once."""
    from qoescope.serve.jobs import accounts

    print_line(accounts.new_user(settings(), name, role, properties.split(",")))


@people.command("token")
def new_token(
    label: Annotated[str, typer.Argument(help="What it is for.")],
    property_id: PropertyName = "demo",
    scope: Annotated[list[str] | None, typer.Option(help=f"What it may: {', '.join(SCOPES)}; again for more.")] = None,
) -> None:
    """Make an API token; it is shown this once."""
    from qoescope.serve.jobs import accounts

    print_line(accounts.new_token(settings(), label, property_id, scope or ["read"]))


@people.command("revoke-token")
def revoke_token(prefix: Annotated[str, typer.Argument(help="The token's first characters.")]) -> None:
    """Revoke an API token."""
    from qoescope.serve.jobs import accounts

    accounts.revoke_token(settings(), prefix)
