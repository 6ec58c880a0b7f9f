"""Grids: long tables that sort, filter and are saved as CSV; their look comes from the stylesheet's colours."""

import string
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import dash_ag_grid as dag
from dash import html
from dash.development.base_component import Component

THEME = {
    "function": "themeQuartz.withParams({backgroundColor: 'var(--panel)', foregroundColor: 'var(--ink)', "
    "headerBackgroundColor: 'var(--panel)', headerTextColor: 'var(--muted)', borderColor: 'var(--line)', "
    "rowHoverColor: 'var(--raised)', accentColor: 'var(--accent)', chromeBackgroundColor: 'var(--panel)', "
    "oddRowBackgroundColor: 'var(--panel)', wrapperBorder: false, wrapperBorderRadius: 0, headerFontSize: 12, "
    "headerFontWeight: 500, fontSize: 13, fontFamily: 'inherit', rowHeight: 36, headerHeight: 36, "
    "cellHorizontalPadding: 10})"
}
"""Every colour is a custom property, so that light and dark need no second grid."""

EXPORTED = "export_"
"""How the fields of columns begin that are saved and not shown; console.js knows it, too."""
PAGE = 200
"""Rows of a page of a grid."""


def text(name: str, title: str, **more: object) -> dict[str, Any]:
    """A column of texts."""
    return {"field": name, "headerName": title, **more}


def link(name: str, title: str, **more: object) -> dict[str, Any]:
    """A column of links, written `[text](address)`."""
    return {"field": name, "headerName": title, "cellRenderer": "markdown", **more}


def linked(shown: object, address: str) -> str:
    """A cell of such a column: what is shown is text, whatever Markdown or HTML it looks like."""
    text = "".join(f"\\{c}" if c in string.punctuation else c if c.isprintable() else " " for c in str(shown))
    return f"[{text.strip() or '(empty)'}]({quote(address, safe='/?&=:;,!%+-._~')})"


def number(name: str, title: str, **more: object) -> dict[str, Any]:
    """A column of numbers that sorts by value and shows the text beside it (`name` + `_text`)."""
    shown = {"function": f"params.data ? params.data.{name}_text : ''"}
    return {
        "field": name,
        "headerName": title,
        "type": "rightAligned",
        "valueFormatter": shown,
        "cellClass": "ag-right-aligned-cell figure",
        **more,
    }


def exported(*names: str) -> list[dict[str, Any]]:
    """Columns that are saved instead of what is shown, and never shown: a whole id, an ISO time, one fact in each."""
    return [{"field": f"{EXPORTED}{name}", "headerName": name, "hide": True} for name in names]


def exported_cells(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """What such columns hold of a row: times in ISO 8601 with their zone."""
    values = {name: row[name] for name in names}
    return {
        f"{EXPORTED}{name}": value.isoformat() if isinstance(value, datetime) else _plain(value)
        for name, value in values.items()
    }


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else value


def grid(
    identity: str,
    columns: Sequence[Mapping[str, Any]],
    rows: Sequence[Mapping[str, Any]],
    height: int,
    file: str,
    what: str,
) -> Component:
    """The table in a box of its height, so that nothing jumps when its script is there."""
    table = dag.AgGrid(
        id=identity,
        columnDefs=list(columns),
        rowData=list(rows),
        defaultColDef={
            "flex": 1,
            "sortable": True,
            "resizable": True,
            "minWidth": 90,
            "suppressHeaderMenuButton": True,
        },
        dashGridOptions={
            "theme": THEME,
            "animateRows": False,
            "suppressColumnMoveAnimation": True,
            "suppressContentVisibilityAuto": True,  # else columns get their widths, and jump, once they are in sight
            "ensureDomOrder": True,
            "suppressCellFocus": False,
            "tabToNextCell": {"function": "false"},  # arrows go from cell to cell; Tab leaves the table
            "enableCellTextSelection": True,
            "pagination": len(rows) > PAGE,
            "paginationPageSize": PAGE,
            "paginationPageSizeSelector": False,
        },
        className="grid-look",
        style={"height": f"{height}px"},
        dangerously_allow_code=False,
    )
    box = {"role": "region", "className": "grid", "style": {"minHeight": f"{height}px"}}
    return html.Div(table, **box, **{"aria-label": what, "data-file": file})


def saver(identity: str) -> Component:
    """The button that saves the grid of this name."""
    return html.Button("CSV", type="button", className="secondary", title="download as CSV", **{"data-grid": identity})


def height(rows: int, most: int = 14) -> int:
    """The height of a grid with so many rows."""
    return 38 + 36 * max(min(rows, most), 2) + 2
