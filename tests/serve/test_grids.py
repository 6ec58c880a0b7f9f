"""Grids: a cell that links shows text, whatever the text looks like."""

import re

from hypothesis import given
from hypothesis import strategies as st

from qoescope.serve.console import grids
from qoescope.serve.request import state

SPEAKS = st.sampled_from(["](javascript:alert(1))", "[x](http://evil.example)", "<b>", "![](x)", "\n", "&lt;", "`"])


@given(st.lists(st.text(max_size=5) | SPEAKS, max_size=4).map("".join), st.text(max_size=20))
def test_nothing_in_a_linked_text_is_mark_up_and_its_address_stays_one(shown: str, identity: str) -> None:
    identity = re.sub("[\ud800-\udfff]", "", identity)
    cell = grids.linked(shown, state.item_address("/sessions", identity))
    text, _, address = cell.rpartition("](")
    assert re.fullmatch(r"(?:\\[!-/:-@\[-`{-~]|[^!-/:-@\[-`{-~\n\r])*", text.removeprefix("[").replace("(empty)", ""))
    assert re.fullmatch(r"/sessions/[\w.~%-]*\)", address)
