"""Kept: what was set aside or done again: dead letters, restated days, quality rules."""

from datetime import datetime

from dash import html
from dash.development.base_component import Component

from qoescope.serve import grids, parts, words
from qoescope.serve.frame import Asked


def dead(asked: Asked) -> Component:
    """Dead letters by reason, and the newest of them; for operators."""
    if not asked.seat.person.may("operator"):
        return parts.card(
            "Dead letters",
            parts.empty(
                "For operators", "They hold original bytes, so perhaps what names a person. Ask an admin for the role."
            ),
        )
    if not has(asked, "dead_letters"):
        return parts.card("Dead letters", parts.empty("None", "Nothing has been refused yet."))
    reasons = asked.seat.desk.rows(
        asked.tenant,
        "select stage, reason, sum(count)::bigint as events, max(received_at) as newest, "
        "count(*) filter (where replayed_at is null) as open from dead_letters "
        "where received_at >= %(from)s and received_at < %(to)s group by 1, 2 order by 3 desc limit 20",
        **ends(asked),
    )
    if not reasons:
        return parts.card("Dead letters", parts.empty("None in this range", "Everything that came was understood."))
    letters = asked.seat.desk.rows(
        asked.tenant,
        "select received_at, stage, reason, detail, left(encode(body, 'escape'), 400) as body, replayed_at "
        "from dead_letters "
        "where received_at >= %(from)s and received_at < %(to)s order by received_at desc limit 200",
        **ends(asked),
    )
    rows = [{k: "" if v is None else str(v) for k, v in letter.items()} for letter in letters]
    lines = [
        [r["stage"], r["reason"], f"{r['events']:,}", words.ago(r["newest"], asked.now), f"{r['open']:,}"]
        for r in reasons
    ]
    columns = [
        grids.text("received_at", "Received", minWidth=170),
        grids.text("reason", "Reason"),
        grids.text("detail", "Detail", minWidth=200),
        grids.text("body", "As it came", minWidth=240),
        grids.text("replayed_at", "Replayed"),
    ]
    return parts.card(
        "Dead letters",
        parts.table(
            ["Stage", "Reason", "Events", "Newest", "Not replayed"], lines, (2, 3, 4), "Dead letters by reason"
        ),
        grids.grid(
            "he-dead", columns, rows, grids.height(len(rows), 6), "qoescope-dead-letters.csv", "Newest dead letters"
        ),
        html.P("Once the cause is repaired, their bytes can be sent to the collector again.", className="note"),
    )


def batches(asked: Asked) -> Component:
    """Days restated by the batch, and the rules that their data kept."""
    if not has(asked, "restatements"):
        return parts.card(
            "Batches",
            parts.empty(
                "None yet",
                "The nightly run restates days from the lake; start one with ",
                html.Code("qoescope batch restate"),
                ".",
            ),
        )
    done = asked.seat.desk.rows(asked.tenant, "select * from restatements order by finished_at desc limit 8")
    checks = (
        asked.seat.desk.rows(asked.tenant, "select * from checks order by checked_at desc limit 8")
        if has(asked, "checks")
        else []
    )
    lines = [
        [
            f"{r['day']:%d %b}",
            f"{r['version']}",
            f"{r['changed']:,} of {r['sessions']:,}",
            words.ago(r["finished_at"], asked.now),
        ]
        for r in done
    ]
    rules = [
        [
            f"{r['day']:%d %b}",
            r["rule"],
            f"{r['broken']:,} of {r['rows']:,}",
            parts.badge("passed" if r["passed"] else "failed", "good" if r["passed"] else "bad"),
        ]
        for r in checks
    ]
    return parts.card(
        "Batches",
        parts.table(["Day", "Version", "Sessions changed", "Finished"], lines, (1, 2, 3), "Restated days")
        if lines
        else parts.empty(
            "No day has been restated", "Stream and batch agree so far, or the nightly run has not been due."
        ),
        parts.table(["Day", "Rule", "Broken", ""], rules, (2,), "Quality rules") if rules else None,
        html.P(
            [
                "Airflow runs them; its own pages are on port ",
                html.Code(str(asked.seat.desk.settings.airflow_port)),
                ".",
            ],
            className="note",
        ),
    )


def has(asked: Asked, table: str) -> bool:
    """Whether the table is there: a part that never ran has none."""
    return asked.seat.desk.has(asked.tenant, table)


def ends(asked: Asked) -> dict[str, datetime]:
    """The range's ends, to be bound."""
    return {"from": asked.state.between[0], "to": asked.state.between[1]}
