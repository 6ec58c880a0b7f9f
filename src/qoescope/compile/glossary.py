"""Glossary: the catalog as a page for people, so that a word means one thing in code, SQL, API and console."""

from collections.abc import Iterable, Sequence

from qoescope.catalog.dimensions import CUBED, DIMENSIONS, PAIRS
from qoescope.catalog.errors import LAKE_OUTCOMES, OUTCOMES
from qoescope.catalog.marts import KEY_FIELDS, LEAF_DIMENSIONS, LIVE_DIMENSIONS, LIVE_LEAF
from qoescope.catalog.measures import LIVE_MEASURES, MEASURES, Measure
from qoescope.catalog.metrics import COMPANIONS, LIVE_METRICS, METRICS, Metric
from qoescope.catalog.operations import LAKE_TABLES
from qoescope.catalog.picture import STEPS
from qoescope.catalog.schema import Field, Table
from qoescope.catalog.sessions import DERIVED, OF_RENDITIONS, SESSION_FIELDS, SUMS
from qoescope.catalog.stored import POSTGRES_TABLES
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import TOPICS
from qoescope.compile.formulas import Formulas
from qoescope.compile.kinds import translate

BETTER = {"lower": "lower is better", "higher": "higher is better", "neither": "–"}
TYPES = {
    "text": "text",
    "int": "64-bit integer",
    "float": "double",
    "bool": "true or false",
    "instant": "instant, µs, UTC",
    "day": "day, UTC",
    "score": "decimal(5,2)",
    "score_sum": "decimal(18,2)",
    "ints": "list of integers",
    "sketch": "sketch: list of registers",
    "bytes": "bytes",
    "json": "JSON",
}
KEY = tuple(f.name for f in KEY_FIELDS)
KINDS = {"ints": "histogram", "sketch": "sketch"}
HEAD = """# Glossary

Everything that is measured and stored, as `src/qoescope/catalog/` declares it. This page is generated: `make golden`
writes it, a test compares it. Units are in names (`_ms`, `_kbps`); ratios are 0 to 1; times are UTC; `≙` is the same
thing by another name, `≈` something close. A metric is always the ratio of sums, never the mean of ratios; a zero
denominator gives nothing, never 0.

Sources: CTA-2066 (Streaming Quality of Experience Events, Properties and Metrics), the public definitions of Mux Data
and Conviva, and our own, which are marked by having no equivalent."""


def glossary() -> str:
    """The page, in Markdown."""
    sections = (
        HEAD,
        _metrics(),
        _measures(),
        _sessions(),
        _dimensions(),
        _outcomes(),
        _topics(),
        _tables(
            "Tables of the lake",
            "Delta tables, partitioned by the session's own day and a hash bucket of its id.",
            LAKE_TABLES,
        ),
        _tables(
            "Tables in Postgres",
            "In the schema `qoescope`; those with a `property` under row-level security.",
            POSTGRES_TABLES,
        ),
    )
    return "\n\n".join(sections) + "\n"


def formula(metric: Metric) -> str:
    """How the metric is made of measures, for a person."""
    return translate(metric, Formulas())


def section(*paragraphs: str) -> str:
    """Paragraphs of Markdown, a blank line between any two."""
    return "\n\n".join(paragraphs)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def code(text: str) -> str:
    """The text as code; nothing for nothing."""
    return f"`{text}`" if text else ""


def sentence(text: str) -> str:
    """The text with a capital letter."""
    return text[:1].upper() + text[1:]


def _metrics() -> str:
    head = ("metric", "label", "unit", "direction", "formula", "what it says", "the same as")

    def rows(metrics: Iterable[Metric]) -> list[tuple[str, ...]]:
        return [
            (code(x.name), x.label, x.unit.replace("_", " "), BETTER[x.better], code(formula(x)), x.doc, x.same_as)
            for x in metrics
        ]

    companions = ", ".join(map(code, COMPANIONS))
    return section(
        "## Metrics",
        f"A startup number knows only viewers who stayed, so it never stands alone: {companions} come with every "
        "answer that holds one.",
        table(head, rows(METRICS)),
        "### Live metrics",
        "Per interval, not per ended session: an interval counts whole in the ten-second window in which it ends. So "
        "they are other metrics, with other names.",
        table(head, rows(LIVE_METRICS)),
    )


def _measures() -> str:
    head = ("measure", "kind", "adds up", "where", "what it says")

    def rows(measures: Iterable[Measure]) -> list[tuple[str, ...]]:
        return [
            (code(x.name), KINDS.get(x.type, "sum"), code("" if x.of == "1" else x.of) or "rows", code(x.where), x.doc)
            for x in measures
        ]

    return section(
        "## Measures",
        "What marts hold. Sums of slices are the sum of their whole; so are histograms, bucket by bucket, and "
        "sketches, register by register.",
        table(head, rows(MEASURES)),
        "### Live measures",
        "Over events. `t` is the interval's believed length, `watched` any state but idle and paused, `content` "
        "content playing, `failed` a technical playback_fail.",
        table(head, rows(LIVE_MEASURES)),
    )


def _sessions() -> str:
    summed = (*SUMS, *OF_RENDITIONS)
    formulas = {
        s.name: (f"sum of {s.of}" if s.of != "1" else "count") + (f" where {s.where}" if s.where else "")
        for s in summed
    }
    formulas |= {d.name: d.sql for d in DERIVED}
    same_as = {s.name: s.same_as for s in summed} | {d.name: d.same_as for d in DERIVED}
    rows = [
        (code(f.name), TYPES[f.type], code(formulas.get(f.name, "")), f.doc, same_as.get(f.name, ""))
        for f in SESSION_FIELDS
    ]
    return section(
        "## Sessions",
        "One row a press of play, folded from its events; neither their order nor their repetition matters. Formulas "
        "see an event (sums) or the fields above them (the rest).",
        table(("field", "type", "formula", "what it says", "the same as"), rows),
        "### Opinion of a picture",
        "`shown_ms` is the time that content was shown in one rendition on one screen, `opinion` what people would say "
        "of it, from 1, bad, to 5, excellent: ITU-T P.1203.1, mode 0, in these steps.",
        table(("step", "formula"), [(code(name), code(sql)) for name, sql in STEPS]),
    )


def _dimensions() -> str:
    paired = {name for pair in PAIRS for name in pair}
    rows = []
    for d in DIMENSIONS:
        kept = [
            word
            for word, names in (
                ("alone", CUBED),
                ("in pairs", paired),
                ("live", LIVE_DIMENSIONS),
                ("watched together", LEAF_DIMENSIONS),
            )
            if d.name in names
        ]
        rows.append((code(d.name), d.label, d.size, ", ".join(kept), ", ".join(d.values), d.doc))
    return section(
        "## Dimensions",
        "low: below 100 values; middle: below 10,000; high: in `sessions` only. Unknown is `unknown`, never null or "
        "empty. Kept: how the marts hold it; any other combination is answered from `sessions`.",
        table(("dimension", "label", "size", "kept", "values", "what it says"), rows),
        "Pairs: " + ", ".join(code(" × ".join(pair)) for pair in PAIRS) + ".",
    )


def _outcomes() -> str:
    head = ("outcome", "means")
    return section(
        "## Outcomes",
        "received = " + " + ".join(OUTCOMES) + ", per property and minute of `received_at`.",
        table(head, [(code(name), doc) for name, doc in OUTCOMES.items()]),
        "accepted = " + " + ".join(LAKE_OUTCOMES) + ".",
        table(head, [(code(name), doc) for name, doc in LAKE_OUTCOMES.items()]),
    )


def _topics() -> str:
    rows = [(code(t.name), code(t.key), str(t.partitions), f"{t.retention_days} days", t.doc) for t in TOPICS]
    return "## Topics\n\n" + table(("topic", "key", "partitions", "kept", "what it holds"), rows)


def _tables(title: str, doc: str, tables: Iterable[Table]) -> str:
    return "\n\n".join((f"## {title}", doc, *map(_table, tables)))


def _table(t: Table) -> str:
    facts = [f"key {', '.join(map(code, t.key))}"] if t.key else []
    facts += [f"partitioned by {', '.join(map(code, t.partition))}"] if t.partition else []
    facts += ["a second write of a key adds to its sums"] if t.sums else []
    head = f"### {t.name}\n\n{sentence(t.doc)}." + (f" {sentence('; '.join(facts))}." if facts else "")
    fields: tuple[Field, ...] = t.fields
    tail = ""
    if t.key == KEY and t.sums:
        fields = tuple(f for f in t.fields if f.name in t.key)
        live = t.name.startswith("live_")
        tail = f"\n\nAnd every {'[live measure](#live-measures)' if live else '[measure](#measures)'}."
        if not live and len(t.sums) < len(MEASURES):
            tail = f"\n\nAnd of the [measures](#measures) {', '.join(map(code, t.sums))}."
    elif t is LIVE_LEAF:
        fields = tuple(f for f in t.fields if f.name not in LEAF_DIMENSIONS)
        tail = f"\n\nAnd the dimensions {', '.join(map(code, LEAF_DIMENSIONS))}, never null."
    elif {f.name for f in SESSION_FIELDS} < set(t.names):
        fields = tuple(f for f in t.fields if f not in SESSION_FIELDS)
        tail = "\n\nAnd every field of [sessions](#sessions)."
    elif t is not EVENTS and set(EVENTS.names) <= set(t.names):
        fields = tuple(f for f in t.fields if f not in EVENTS.fields)
        tail = "\n\nAnd every column of [events](#events)."
    if not fields:
        return head + tail
    rows = [(code(f.name), TYPES[f.type] + ("" if f.nullable else ", never null"), f.doc) for f in fields]
    return f"{head}\n\n{table(('column', 'type', 'what it holds'), rows)}{tail}"
