"""Console: the Dash app with its pages; each page is a function of its address."""

import importlib
from pathlib import Path

import dash
import dash_mantine_components as dmc
from dash import ClientsideFunction, Dash, Input, Output, State, html

from qoescope.serve.console import saved_views
from qoescope.serve.console.error_handlers import add_error_handlers
from qoescope.serve.console.frame import layout
from qoescope.serve.console.page_list import PAGES, Page
from qoescope.serve.console.requests import callback_request
from qoescope.serve.display import theme

INDEX = """<!doctype html>
<html lang="en">
<head>
{%metas%}
<meta name="viewport" content="width=device-width,initial-scale=1">
<title>{%title%}</title>
<link rel="icon" href="/assets/icon.svg">
<script src="/assets/early.js"></script>
<style>COLOURS</style>
{%css%}
</head>
<body>
{%app_entry%}
<footer>{%config%}{%scripts%}{%renderer%}</footer>
</body>
</html>"""
MANTINE = {
    "fontFamily": "var(--font)",
    "fontFamilyMonospace": "var(--mono)",
    "primaryColor": "indigo",
    "defaultRadius": "md",
    "cursorType": "pointer",
}


def build_console() -> Dash:
    """The console, with all its pages registered."""
    app = Dash(
        __name__,
        use_pages=True,
        pages_folder="",
        assets_folder=str(Path(__file__).parents[1] / "assets"),
        assets_ignore=r"early\.js|countries\.geojson",
        title="qoescope",
        update_title=None,
        suppress_callback_exceptions=True,
        index_string=INDEX.replace("COLOURS", theme.css()),
        include_pages_meta=False,
        add_log_handler=False,
        use_async=False,
    )
    for page in PAGES:
        _register(page)
    app.layout = shell
    _controls(app)
    saved_views.add_callbacks(app)
    add_error_handlers(app)
    app.enable_pages()
    return app


def _register(page: Page) -> None:
    module = importlib.import_module(f"qoescope.serve.console.pages.{page.module}")
    address = {"path_template" if page.is_about_one else "path": page.path}
    dash.register_page(module.__name__, name=page.name, title=page.title, layout=layout(page, module.body), **address)


def shell() -> dmc.MantineProvider:
    """What stays while pages change."""
    return dmc.MantineProvider(
        [html.Div(id="progress", **{"aria-hidden": "true"}), dash.page_container],
        theme=MANTINE,
        defaultColorScheme="auto",
    )


def _controls(app: Dash) -> None:
    app.clientside_callback(
        ClientsideFunction("console", "customRange"),
        Output("_pages_location", "search"),
        Input("range-apply", "n_clicks"),
        State("range-from", "value"),
        State("range-to", "value"),
        State("range-words", "value"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("console", "addFilter"),
        Output("_pages_location", "search", allow_duplicate=True),
        Input("filter-apply", "n_clicks"),
        State("filter-name", "value"),
        State("filter-values", "value"),
        State("filter-kind", "value"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("filter-values", "data"),
        Input("filter-name", "value"),
        State("_pages_location", "search"),
        prevent_initial_call=True,
    )
    def known(name: str | None, search: str | None) -> list[dict[str, str]]:
        if not name:
            return []
        request = callback_request(search, "/")
        rows = request.store.values(name, request.state.between)
        return [
            {"value": row["value"], "label": f"{row['value']}  ({row['attempts']:,})"} for row in rows if row["value"]
        ]
