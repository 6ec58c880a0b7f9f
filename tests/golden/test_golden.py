"""What the compilers make of the catalog, kept in files: a change of meaning is a difference that a person reads.

`make golden` rewrites the files; without it they must be as they are.
"""

import ast
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from qoescope.catalog.marts import MARTS
from qoescope.catalog.metrics import METRIC_BY_NAME, METRICS
from qoescope.catalog.operations import LAKE_TABLES
from qoescope.catalog.stored import POSTGRES_TABLES
from qoescope.catalog.tables import EVENTS
from qoescope.compile import ask, cube, dashboard, ddl, fold, glossary, grafana, references, wire
from qoescope.serve.api import reference
from qoescope.serve.api.app import build_api, document
from qoescope.settings import environment

ROOT = Path(__file__).parents[2]
BETWEEN = datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)

SETTINGS = """# Settings

What differs between a laptop, CI and production. Each is an environment variable, read once when a command begins.
Lists and mappings are JSON. This page is generated from `src/qoescope/settings.py`: `make golden` writes it, a test
compares it. Secrets had better be files: a DSN lies in `var/secrets/<role>.dsn`, readable by its owner only."""

QUESTIONS = {
    "every metric over a day": ask.question([m.name for m in METRICS], BETWEEN),
    "by a dimension, hour by hour": ask.question(["rebuffer_ratio"], BETWEEN, by=["device_type"], every="hour"),
    "filtered by one of a kept pair": ask.question(
        ["start_failure_ratio"], BETWEEN, by=["app_version"], where={"device_type": ["smart_tv"]}
    ),
    "by what no mart keeps": ask.question(
        ["startup_p95_ms", "viewers"], BETWEEN, by=["device_model"], where={"!country_code": ["US", "CA"]}
    ),
    "live": ask.question(["live_concurrent_viewers"], BETWEEN, by=["cdn"], every="10s"),
}


def questions() -> str:
    """The SQL of a question of each kind, with its parameters."""
    texts = []
    for name, asked in QUESTIONS.items():
        plan = ask.plan(asked)
        texts.append(f"-- {name}: {plan.mart}\n-- {json.dumps(plan.parameters, default=str)}\n{plan.sql};\n")
    return "\n".join(texts)


def board_sql() -> str:
    """Each metric as the board asks for it."""
    return "\n".join(f"-- {name}\n{grafana.sql(metric)};\n" for name, metric in METRIC_BY_NAME.items())


def spark() -> str:
    """The lake's tables as Spark has them."""
    from qoescope.compile.frames import schema

    def lines(name: str) -> list[str]:
        (table,) = (t for t in LAKE_TABLES if t.name == name)
        return [
            f"  {f.name} {f.dataType.simpleString()}{'' if f.nullable else ' not null'}" for f in schema(table).fields
        ]

    return "\n".join("\n".join([t.name, *lines(t.name), ""]) for t in LAKE_TABLES)


def wire_schema() -> str:
    """The wire's types as JSON schema."""
    return json.dumps(wire.json_schemas()[1], indent=1, ensure_ascii=False) + "\n"


def folded() -> str:
    """How events become sessions."""
    given = frozenset(EVENTS.names)
    return f"{fold._measured_sql(given)};\n\n{fold._derived_sql()};\n"  # noqa: SLF001 - its text is what is kept


def cubes() -> str:
    """What a row adds to each measure."""
    texts = [f"-- {mart.name}\n{cube._added_sql(mart)};" for mart in MARTS]  # noqa: SLF001
    return "\n\n".join([*texts, f"-- live_leaf{cube._leaf_sql()};"]) + "\n"  # noqa: SLF001


def groupings() -> str:
    """What each mart is kept by."""
    kept = {mart.name: [" × ".join(g) or "whole" for g in mart.groupings] for mart in MARTS}
    return json.dumps(kept, indent=1, ensure_ascii=False) + "\n"


def schema() -> str:
    """Everything that Postgres holds."""
    head = "-- Every table of Postgres, made from src/qoescope/catalog by `make golden`; run it as the owner.\n"
    return head + ddl.schema(POSTGRES_TABLES)


def settings() -> str:
    """Every setting with its default and what it says, out of the text of settings.py."""
    (declared,) = (node for node in ast.parse((ROOT / "src/qoescope/settings.py").read_text()).body
                   if isinstance(node, ast.ClassDef))  # fmt: skip
    lines = [SETTINGS, "", "| setting | default | says |", "| --- | --- | --- |"]
    for node, after in pairwise([*declared.body, ast.Pass()]):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        default = node.value and ast.unparse(node.value).removeprefix("SecretStr(").removeprefix("Path(").rstrip(")")
        said = after.value.value if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) else ""
        lines.append(f"| `QOESCOPE_{node.target.id.upper()}` | `{default}` | {' '.join(str(said).split())} |")
    return "\n".join(lines) + "\n"


def api_reference() -> str:
    """The API's document as a page."""
    return reference.page(document(build_api()))


FILES: dict[str, Callable[[], str]] = {
    "docs/glossary.md": glossary.glossary,
    "docs/api.md": api_reference,
    "docs/events.md": references.events,
    "docs/settings.md": settings,
    "deploy/postgres/schema.sql": schema,
    "deploy/grafana/dashboards/qoescope.json": dashboard.board,
    "tests/golden/ask.sql": questions,
    "tests/golden/board.sql": board_sql,
    "tests/golden/cube.sql": cubes,
    "tests/golden/fold.sql": folded,
    "tests/golden/marts.json": groupings,
    "tests/golden/spark.txt": spark,
    "tests/golden/wire.json": wire_schema,
}


@pytest.mark.parametrize("name", FILES)
def test_compiled_artefact_is_as_it_was(name: str) -> None:
    path, made = ROOT / name, FILES[name]()
    if "GOLDEN" in environment({}):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made)
    assert path.read_text() == made, f"{name} changed: `make golden` rewrites it, then read the difference"
