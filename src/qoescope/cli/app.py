"""The command line: lists all commands; a user's mistake prints one line and exits with code 2."""

import os
import sys
from importlib import metadata
from typing import Annotated

import typer

from qoescope.catalog.errors import Mistake
from qoescope.cli import batch, data, extras, failures, generate, importing, keys, measuring, questions, services

UMASK = 0o077

app = typer.Typer(name="qoescope", no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)
services.register(app)
data.register(app)
questions.register(app)
measuring.register(app)
app.add_typer(generate.app, name="generate")
app.add_typer(batch.app, name="batch")
app.add_typer(importing.app, name="import")
app.add_typer(keys.app, name="keys")
app.add_typer(keys.people, name="people")
app.add_typer(data.cmcd, name="cmcd")


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"qoescope {metadata.version('qoescope')}\n")
        raise typer.Exit


@app.callback()
def qoescope(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """What viewers of a video service experience, and what broke."""


def main() -> None:
    """Runs the program; its files are private to the user, whatever the shell's umask is."""
    os.umask(UMASK)
    try:
        app()
    except ModuleNotFoundError as error:
        hint = extras.hint(error.name or "")
        if not hint:
            raise
        sys.exit(_print_error(hint))
    except Mistake as mistake:
        sys.exit(_print_error(str(mistake)))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except Exception as error:
        why = failures.explain_failure(error)
        if why is None:
            raise
        sys.exit(_print_error(why))


def _print_error(why: str) -> int:
    for line in why.splitlines():
        sys.stderr.write(f"qoescope: {line}\n")
    return 2


if __name__ == "__main__":
    main()
