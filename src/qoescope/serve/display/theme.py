"""Theme: every colour by its meaning, in one place, for stylesheet and figures; light and dark."""

from dataclasses import dataclass

import plotly.graph_objects as go
import plotly.io as pio


@dataclass(frozen=True, slots=True)
class Colour:
    """A colour by meaning: on light and on dark ground, both at least 4.5:1 as text."""

    meaning: str
    light: str
    dark: str


COLOURS = (
    Colour("ground", "#f5f6f8", "#0e1116"),
    Colour("panel", "#ffffff", "#161a21"),
    Colour("raised", "#eef0f4", "#1f252e"),
    Colour("ink", "#12161d", "#e9ecf1"),
    Colour("muted", "#545d6b", "#9aa5b4"),
    Colour("line", "#e1e5ea", "#272e38"),
    Colour("control", "#7c8798", "#6b7789"),
    Colour("accent", "#3651c9", "#93a8ff"),
    Colour("accent-soft", "#e8ecfd", "#1e2a52"),
    Colour("good", "#14713a", "#4ccd7d"),
    Colour("good-soft", "#e0f3e6", "#12301f"),
    Colour("bad", "#bf2320", "#ff8d85"),
    Colour("bad-soft", "#fde7e5", "#3d1a1a"),
    Colour("warn", "#8a5300", "#f0b252"),
    Colour("warn-soft", "#fdf0d8", "#37280f"),
)

ACCENT, GOOD, BAD, WARN, NEUTRAL, BASELINE = "#4f6bed", "#2a9d5c", "#e0564f", "#c98a1b", "#7d8899", "#98a2b3"
"""Marks in figures: seen on both grounds, since a figure is drawn once for both."""

SERIES = ("#4f6bed", "#e07b39", "#2a9d8f", "#c056a8", "#8a7a28", "#5b9bd5", "#d1495b", "#7d8899")
"""Series that mean nothing by themselves, told apart also by those who see few colours."""

STATES = {
    "starting": "#c98a1b",
    "playing": "#2a9d5c",
    "stalled": "#e0564f",
    "seeking": "#8c6fd1",
    "resuming": "#5b9bd5",
    "paused": "#98a2b3",
    "ad": "#3f7fb5",
    "idle": "#c3c9d3",
}
"""Player states in the state bar."""

SEQUENCE = ((0.0, "#4f6bed"), (0.5, "#b9bfcc"), (1.0, "#e0564f"))
"""From good through ordinary to bad, for maps and heat maps of metrics with a direction."""
VOLUME = ((0.0, "#cfd6f6"), (1.0, "#3651c9"))
"""From few to many."""

FONT = 'Inter, ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif'
MONO = 'ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace'


def css() -> str:
    """The colours as custom properties of the page."""
    light = "".join(f"--{c.meaning}:{c.light};" for c in COLOURS)
    dark = "".join(f"--{c.meaning}:{c.dark};" for c in COLOURS)
    states = "".join(f"--state-{name}:{value};" for name, value in STATES.items())
    marks = f"--mark:{ACCENT};--mark-good:{GOOD};--mark-bad:{BAD};--mark-neutral:{NEUTRAL};--baseline:{BASELINE};"
    return (
        f":root{{color-scheme:light;--font:{FONT};--mono:{MONO};{marks}{states}{light}}}\n"
        f":root[data-mantine-color-scheme=dark]{{color-scheme:dark;{dark}}}\n"
    )


def template() -> go.layout.Template:
    """What every figure looks like; texts and grid take their colours from the stylesheet."""
    axis = {
        "showgrid": True,
        "zeroline": False,
        "showline": False,
        "ticks": "outside",
        "ticklen": 5,
        "tickcolor": "rgba(0,0,0,0)",
        "automargin": True,
        "title": {"font": {"size": 12}, "standoff": 8},
        "gridcolor": BASELINE,
        "tickfont": {"size": 11},
    }
    return go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 12, "color": NEUTRAL},
            "paper_bgcolor": "rgba(0,0,0,0)",
            "plot_bgcolor": "rgba(0,0,0,0)",
            "colorway": list(SERIES),
            "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
            "hovermode": "x unified",
            "hoverlabel": {"font": {"family": FONT, "size": 12}, "bordercolor": BASELINE},
            "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 12}},
            "xaxis": axis | {"showgrid": False},
            "yaxis": axis | {"rangemode": "tozero", "nticks": 5},
            "dragmode": False,
        }
    )


NAME = "qoescope"
pio.templates[NAME] = template()

CONFIG = {"displayModeBar": False, "responsive": True, "showTips": False, "doubleClick": False}
"""How figures behave in the page: no toolbar, no calls elsewhere."""
