"""Failures as one line for people: invalid settings, folders and services that cannot be used."""

from typing import TYPE_CHECKING, Any

from qoescope.catalog.errors import Mistake

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic.fields import FieldInfo
    from pydantic_settings import SettingsError

    from qoescope.settings import Settings

PREFIX = "QOESCOPE_"
SERVICES = ("psycopg", "psycopg_pool")
STORES = ("deltalake", "_internal", "pyarrow", "cimpl", "confluent_kafka")
"""Modules of errors that tell of a database, a store or a log, and not of our code."""
KINDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": 'a JSON object of texts, such as {"name": "value"}',
    "Path": "a path",
}


def explain_failure(error: Exception) -> str | None:
    """The cause and the next step, in a line; None where the error is one of the program's own."""
    from qoescope.connect.causes import explain

    module = type(error).__module__.split(".")[0]
    if module in SERVICES:
        return f"Postgres does not answer ({str(error).strip().splitlines()[0]}): `qoescope status` says what runs"
    cause = explain(error)
    if isinstance(error, OSError) and error.filename is not None:
        why = str(error.strerror or error)
        if cause.anchor == "disk-full":
            return f"{error.filename}: {why}; make room (see docs/operators.md#disk-full)"
        return (
            f"{error.filename}: {why}; name a file or folder that this user may use (QOESCOPE_VAR is the folder of "
            "all state)"
        )
    if isinstance(error, OSError) or module in STORES:
        return str(cause) if cause.anchor else f"{cause}; `qoescope status` says what runs"
    return None


def read_settings() -> "Settings":
    """The environment's settings; raises `Mistake` with a line for each one that is invalid."""
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    from qoescope.settings import Settings

    try:
        return Settings()
    except ValidationError as error:
        raise Mistake("\n".join(_name_invalid(error))) from None
    except SettingsError as error:
        raise Mistake(_name_unreadable(error)) from None


def _name_invalid(error: "ValidationError") -> list[str]:
    """A line for each invalid setting."""
    from qoescope.settings import Settings

    lines = []
    for name in dict.fromkeys(str(one["loc"][0]) for one in error.errors()):
        values = [one["input"] for one in error.errors() if one["loc"] == (name,)]
        lines.append(_name_setting(name, Settings.model_fields[name], values))
    return lines


def _name_unreadable(error: "SettingsError") -> str:
    """The line for a setting that is no JSON; the library tells its name only in its text."""
    from qoescope.settings import Settings

    name = next((name for name in Settings.model_fields if f'"{name}"' in str(error)), "")
    return _name_setting(name, Settings.model_fields[name], []) if name else f"invalid settings: {error}"


def _name_setting(name: str, field: "FieldInfo", values: list[Any]) -> str:
    """The variable, its value unless it may be a secret, and what it may be."""
    kind = str(getattr(field.annotation, "__name__", field.annotation)).split("[")[0]
    value = f"={values[0]!s:.80}" if values and kind in ("int", "float", "bool", "Path") else ""
    bounds = {sign: getattr(one, sign) for one in field.metadata for sign in ("ge", "le") if hasattr(one, sign)}
    between = f" from {bounds['ge']}" if "ge" in bounds else ""
    between += f" to {bounds['le']}" if "le" in bounds else ""
    return f"invalid {PREFIX}{name.upper()}{value}; use {KINDS.get(kind, 'a text')}{between}"
