"""Callbacks: Dash's calls as browsers write them, as nobody would write them, and the console that is called."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from dash import Dash
from hypothesis import strategies as st

from qoescope.serve.console.dash_app import build_console

CALL = "/_dash-update-component"
HERE = ("_pages_location", "search")
KNOWN = {
    "t": ("1h", "24h", "90d", "x"), "p": ("demo", "other"), "m": ("plays", "startup_p95_ms", "viewers", "live_x"),
    "by": ("isp", "content_id", "device_type"), "vs": ("before", "rest", "filter", "none"),
    "vf": ("device_type:web", "device_type:web;isp:x", ":", ";"), "q": ("s1",), "kind": ("failed", "open", "all"),
    "f": ("device_type:web", "!isp:x", "app_version:%00", "isp:", "isp:\\,", "x:y", "isp:a,b,c"),
    "from": ("2026-01-01", "0001-01-01", "9999-12-31T23:59", "2026-13-01", "2026-01-01T00:00+14:00"),
    "to": ("2026-01-02", "9999-12-31", "1970-01-01", "2199-12-31T23:59-12:00"), "arms": ("device_type", "variant"),
    "after": ("2026-01-01|s1", "9999-12-31T23:59:59|x", "|", "x|"), "base": ("web",), "identity": ("x",),
    "split": ("50 50", "inf inf", "nan nan", "1e308 1e308", "1 1 1", "-1 2"), "x": ("",),
}  # fmt: skip
HOSTILE = st.sampled_from(
    ["\x00", "\r\nX: y", "\u2028", "'\";--", "../..", "%", "\\", "<script>", "{}", "🎬"]
) | st.text(max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | HOSTILE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@dataclass(frozen=True)
class Callbacks:
    """The console's Dash app, and its callbacks that run here, by their outputs."""

    app: Dash
    known: dict[str, dict[str, Any]]

    @classmethod
    def of_console(cls) -> "Callbacks":
        """The console's own."""
        app = build_console()
        app.server.test_client().get("/")
        return cls(app, {name: one for name, one in app.callback_map.items() if "callback" in one})

    def post(self, content: bytes) -> tuple[int, dict[str, Any]]:
        """The status of the call, and what it answers."""
        answer = self.app.server.test_client().post(CALL, data=content, content_type="application/json")
        return answer.status_code, answer.get_json(silent=True) or {}

    def get(self, path: str) -> int:
        """The status of an address."""
        return int(self.app.server.test_client().get(path).status_code)


def call(output: str, *inputs: tuple[Any, str, Any], state: tuple[tuple[Any, str, Any], ...] = ()) -> dict[str, Any]:
    """A call as the browser writes it, changed by its first input; of a pattern, the id is a list of ids."""

    def part(one: tuple[Any, str, Any]) -> Any:
        identity, name, value = one
        if isinstance(identity, list):
            return [{"id": i, "property": name, "value": value} for i in identity]
        return {"id": identity, "property": name, "value": value}

    names = output[2:-2].split("...") if output.startswith("..") else [output]
    outputs = [dict(zip(("id", "property"), name.rsplit(".", 1), strict=True)) for name in names]
    given = [part(one) for one in inputs]
    first = next((one for p in given for one in (p if isinstance(p, list) else [p])), None)
    changed = [f"{written(first['id'])}.{first['property']}"] if first else []
    return {
        "output": output, "outputs": outputs if output.startswith("..") else outputs[0], "inputs": given,
        "state": [part(one) for one in state], "changedPropIds": changed,
    }  # fmt: skip


def written(identity: Any) -> str:
    """An id as the browser writes it where it names a change."""
    return identity if isinstance(identity, str) else json.dumps(identity, sort_keys=True, separators=(",", ":"))


def routed(path: str, search: str) -> dict[str, Any]:
    """The call that shows a page."""
    return call(
        ".._pages_content.children..._pages_store.data..", ("_pages_location", "pathname", path), (*HERE, search)
    )


@st.composite
def queries(draw: st.DrawFn) -> str:
    """A query of what pages know and of what nobody knows."""
    pairs = []
    for _ in range(draw(st.integers(0, 4))):
        name = draw(st.sampled_from(sorted(KNOWN)) | HOSTILE)
        pairs.append((name, draw(st.sampled_from(KNOWN.get(name, ("",))) | HOSTILE)))
    return "?" + urlencode(pairs) if pairs else draw(st.sampled_from(["", "?", "?&=", "x"]))


LIKELY: dict[str, st.SearchStrategy[Any]] = {
    "search": queries(),
    "pathname": st.sampled_from(["/", "/explore", "/rules"]) | HOSTILE,
    "n_clicks": st.integers(0, 2) | st.none(),
    "n_intervals": st.integers(),
    "value": st.sampled_from(["device_type", "0.05", "above", "warning", "isp:x", "nan", "plays", 5, 1e300, None]),
}


@st.composite
def hostile_calls(draw: st.DrawFn, callbacks: Callbacks) -> dict[str, Any]:
    """A call of a callback that there is, with values likely and not, often broken somewhere."""
    output = draw(st.sampled_from(sorted(callbacks.known)))
    spec = callbacks.known[output]

    def part(one: dict[str, str]) -> tuple[Any, str, Any]:
        value = draw(LIKELY.get(one["property"], VALUES) | VALUES)
        if not one["id"].startswith("{"):
            return one["id"], one["property"], value
        pattern = json.loads(one["id"])
        return [{k: draw(HOSTILE) if isinstance(v, list) else v for k, v in pattern.items()}], one["property"], value

    body = call(output, *map(part, spec["inputs"]), state=tuple(map(part, spec["state"])))
    if draw(st.booleans()):
        body["changedPropIds"] = []
    for _ in range(draw(st.integers(0, 2))):
        place = draw(st.sampled_from([body, *body["inputs"], *body["state"]]))
        if isinstance(place, dict):
            place[draw(st.sampled_from(sorted(place)) | HOSTILE)] = draw(VALUES)
        if not (isinstance(body["inputs"], list) and isinstance(body["state"], list)):
            break
    return body
