"""What of a person passes the door, and what of a session is kept."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from qoescope.catalog.errors import UnknownName
from qoescope.compile import wire
from qoescope.compile.agents import device_fields
from qoescope.compile.pseudonyms import pseudonym
from qoescope.ingest.context import Arrival, parse_edge_headers, tidy_session
from qoescope.ingest.privacy import network, without_query

NOW = 1_762_000_000_000
KEY = b"k" * 32
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Mobile/15E148 Safari/604.1"
)


def session(headers: Mapping[str, str] | None = None, honours_dnt: bool = True, **said: Any) -> dict[str, object]:
    arrival = Arrival("shop", NOW, KEY, dict(headers or {}), honours_dnt=honours_dnt)
    found = tidy_session(msgspec.convert({"session_id": "s", **said}, wire.Session), arrival, 300_000)
    return {name: value for name, value in msgspec.structs.asdict(found).items() if value is not None}


def test_a_pseudonym_is_128_bits_of_an_hmac_under_the_installations_key() -> None:
    expected = hmac.new(KEY, b"shop\0bob", hashlib.sha256).hexdigest()[:32]
    assert pseudonym(KEY, 1, "shop", "bob") == f"v1:{expected}"


def test_other_property_key_or_version_give_another_pseudonym() -> None:
    names = {
        pseudonym(KEY, 1, "shop", "bob"),
        pseudonym(KEY, 2, "shop", "bob"),
        pseudonym(b"x" * 32, 1, "shop", "bob"),
        pseudonym(KEY, 1, "news", "bob"),
        pseudonym(KEY, 1, "sho", "p\0bob"),
    }
    assert len(names) == 5


@pytest.mark.parametrize(
    ("address", "cut"),
    [
        ("203.0.113.77", "203.0.113.0"),
        ("203.0.113.77:4711", "203.0.113.0"),
        ("2001:db8:aaaa:bbbb::1", "2001:db8:aaaa::"),
        ("[2001:db8:aaaa:bbbb::1]", "2001:db8:aaaa::"),
        ("::ffff:203.0.113.77", "203.0.113.0"),
        ("nobody", ""),
        ("", ""),
    ],
)
def test_an_address_is_cut_to_its_network(address: str, cut: str) -> None:
    assert network(address) == cut


@pytest.mark.parametrize(
    ("text", "kept_text"),
    [("https://a/b?c=d#e", "https://a/b"), ("https://a/b#e?c", "https://a/b"), ("what? no#url", "what? no#url")],
)
def test_a_url_loses_query_and_fragment(text: str, kept_text: str) -> None:
    assert without_query(text) == kept_text


def test_a_viewer_is_a_pseudonym_and_nothing_else() -> None:
    assert session(viewer_id="bob")["viewer_id"] == pseudonym(KEY, 1, "shop", "bob")


@pytest.mark.parametrize("header", ["dnt", "sec-gpc"])
def test_a_viewer_who_asks_not_to_be_followed_is_unknown(header: str) -> None:
    assert "viewer_id" not in session({header: "1"}, viewer_id="bob")
    assert "viewer_id" in session({header: "0"}, viewer_id="bob")
    assert "viewer_id" in session({header: "1"}, honours_dnt=False, viewer_id="bob")


@pytest.mark.parametrize("nothing", ["", "unknown"])
def test_texts_that_say_nothing_are_absent(nothing: str) -> None:
    said: dict[str, Any] = dict.fromkeys(("viewer_id", "content_id", "device_type", "drm", "country_code"), nothing)
    assert session(**said) == {"session_id": "s"}


@pytest.mark.parametrize(
    ("name", "said", "kept_value"),
    [
        ("device_type", "Smart TV", "smart_tv"),
        ("device_type", "fridge", "other"),
        ("network_type", "cellular-5g", "cellular_5g"),
        ("content_type", "radio", None),
        ("drm", "Widevine", "widevine"),
        ("country_code", "kr", "KR"),
        ("country_code", "XX", None),
        ("isp", "Korea Telecom", "korea telecom"),
        ("asn", 4766, "4766"),
        ("content_id", "https://cdn/x.mpd?user=bob", "https://cdn/x.mpd"),
    ],
)
def test_values_are_kept_in_the_catalogs_spelling(name: str, said: object, kept_value: object) -> None:
    given: dict[str, Any] = {name: said}
    assert session(**given).get(name) == kept_value


def test_a_start_that_is_ahead_of_the_collectors_clock_is_held_to_it() -> None:
    assert session(started_at=NOW + 300_000)["started_at"] == NOW + 300_000
    assert session(started_at=NOW + 300_001)["started_at"] == NOW


def test_a_user_agent_fills_what_the_player_does_not_say() -> None:
    found = session({"user-agent": IPHONE})
    assert [found[name] for name in ("os", "browser", "device_type")] == ["ios", "mobile_safari", "mobile"]
    assert "user_agent" not in found
    told = session({"user-agent": IPHONE}, os="tvos")
    assert (told["os"], "browser" in told) == ("tvos", False)


@pytest.mark.parametrize(
    ("agent", "kind", "os"),
    [
        ("Mozilla/5.0 (SMART-TV; LINUX; Tizen 6.0) AppleWebKit/537.36 Version/6.0 TV Safari/537.36",
         "smart_tv", "tizen"),
        ("Mozilla/5.0 (Linux; Android 13; Pixel 7) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
         "mobile", "android"),
        ("Mozilla/5.0 (Linux; Android 12; SM-X200) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
         "tablet", "android"),
        ("StreamApp/9.4 (Linux; Android 13; moto g54 5G) ExoPlayerLib/2.19", "mobile", "android"),
        ("StreamApp/9.2 (Linux; Android 10; M2006C3LG) ExoPlayerLib/2.18", "mobile", "android"),
        ("Dalvik/2.1.0 (Linux; U; Android 14; SM-S911B Build/UP1A)", "mobile", "android"),
        ("StreamApp/9.4 (Linux; Android 13; SM-X700) ExoPlayerLib/2.19", "tablet", "android"),
        ("Dalvik/2.1.0 (Linux; U; Android 12; Lenovo TB-J606F)", "tablet", "android"),
        ("VideoApp/1.0 (Linux; Android 13; Pixel Tablet) ExoPlayerLib/2.19", "tablet", "android"),
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/120.0.0.0 Safari/537.36",
         "web", "windows"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/17.0 Safari/605.1.15",
         "web", "macos"),
        ("Mozilla/5.0 (PlayStation; PlayStation 5/2.26) AppleWebKit/605.1.15", "console", None),
    ],
)  # fmt: skip
def test_a_user_agent_tells_device_and_system(agent: str, kind: str, os: str | None) -> None:
    told = dict(device_fields(agent))
    assert told["device_type"] == kind
    assert os is None or told["os"] == os


def test_a_user_agent_that_tells_nothing_gives_nothing() -> None:
    assert device_fields("x" * 100_000) == ()


def test_what_the_edge_tells_fills_what_the_session_does_not_say() -> None:
    told = parse_edge_headers({"country_code": "X-Country", "isp": "X-Isp"})
    headers = {"x-country": "kr", "x-isp": "KT", "x-asn": "4766"}
    arrival = Arrival("shop", NOW, KEY, headers, edge=told)
    found = [tidy_session(wire.Session(session_id="s", **said), arrival, 0) for said in ({}, {"country_code": "JP"})]
    assert [(one.country_code, one.isp, one.asn) for one in found] == [("KR", "kt", None), ("JP", "kt", None)]
    untrusted = tidy_session(wire.Session(session_id="s"), Arrival("shop", NOW, KEY, headers), 0)
    assert (untrusted.country_code, untrusted.isp) == (None, None)
    with pytest.raises(UnknownName):
        parse_edge_headers({"viewer_id": "x-user"})
