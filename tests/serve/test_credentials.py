"""Auth: passwords, logins and tokens; and what a request from elsewhere is."""

import base64
import hashlib
from datetime import UTC, datetime

import pytest

from qoescope.catalog.errors import Mistake, UnknownName
from qoescope.serve.auth import credentials
from qoescope.serve.auth.credentials import Logins, Person

AT = datetime(2026, 1, 31, tzinfo=UTC)


def test_a_password_is_known_by_its_digest_and_no_two_digests_are_alike() -> None:
    first, second = credentials.digest("horse"), credentials.digest("horse")
    assert first != second
    assert credentials.matches("horse", first)
    assert not credentials.matches("house", first)
    assert "horse" not in first


def test_a_cookie_names_its_account_and_a_changed_one_names_nobody() -> None:
    logins = Logins(b"k" * 32)
    cookie = logins.cookie("ada", credentials.version({"changed_at": AT}))
    login = logins.read(cookie)
    assert login is not None
    assert (login.name, login.version) == ("ada", round(AT.timestamp() * 1000))
    other = logins.read(logins.cookie("ada", login.version))
    assert other is not None
    assert other.id != login.id
    for at in range(len(cookie) - 1):  # the last character holds bits that mean nothing
        assert logins.read(cookie[:at] + ("A" if cookie[at] != "A" else "B") + cookie[at + 1 :]) is None
    assert Logins(b"x" * 32).read(cookie) is None
    assert logins.read("") is None


def test_a_digest_of_an_earlier_version_still_opens_and_is_known_as_stale() -> None:
    salt, cost = b"0123456789abcdef", 2**14
    made = hashlib.scrypt(b"horse", salt=salt, n=cost, r=8, p=1, maxmem=2**27, dklen=32)
    stored = f"scrypt${cost}$8$1${base64.b64encode(salt).decode()}${base64.b64encode(made).decode()}"
    assert credentials.matches("horse", stored)
    assert not credentials.matches("house", stored)
    assert credentials.stale(stored)
    assert not credentials.stale(credentials.digest("horse"))


def test_rights_come_from_a_field_and_not_from_a_name() -> None:
    assert not credentials.person({"name": "token bob", "role": "reader", "properties": "*"}).is_token
    token, prefix, digest = credentials.new_token()
    row = {"prefix": prefix, "digest": digest, "property": "demo", "scopes": "read", "revoked_at": None}
    who = credentials.bearer(row, token)
    assert who is not None
    assert who.is_token


@pytest.mark.parametrize("stored", ["beta x", "alpha beta", "* beta", "beta\tx", "beta\nx"])
def test_a_name_with_blanks_from_an_earlier_version_grants_no_part_of_it(stored: str) -> None:
    who = credentials.person({"name": "spy", "role": "reader", "properties": stored})
    assert who.sees(stored)
    assert not any(who.sees(name) for name in ("alpha", "beta", "x"))


def test_an_account_sees_each_of_its_properties() -> None:
    stored = credentials.checked_properties(["news", "tv.es-2"])
    who = credentials.person({"name": "bo", "role": "reader", "properties": stored})
    assert [who.sees(name) for name in ("news", "tv.es-2", "tv")] == [True, True, False]
    assert credentials.person({"name": "ada", "role": "admin", "properties": "*"}).sees("anything")


@pytest.mark.parametrize("properties", [[], [""], ["*", "news"], ["beta x"], ["a,b"], ["Al/../pha"], ["a\n"], ["-a"]])
def test_an_account_of_an_invalid_property_is_refused(properties: list[str]) -> None:
    with pytest.raises(Mistake, match=r"property"):
        credentials.checked_properties(properties)


def test_a_token_of_every_property_from_an_earlier_version_is_nobody() -> None:
    token, prefix, digest = credentials.new_token()
    row = {"prefix": prefix, "digest": digest, "property": "*", "scopes": "read", "revoked_at": None}
    assert credentials.bearer(row, token) is None
    assert credentials.bearer(row | {"property": "news"}, token) is not None


def test_a_token_reads_only_its_property_and_not_once_it_is_revoked() -> None:
    token, prefix, digest = credentials.new_token()
    row = {"prefix": prefix, "digest": digest, "property": "demo", "scopes": "read", "revoked_at": None}
    who = credentials.bearer(row, token)
    assert who is not None
    assert (who.properties, who.scopes) == (("demo",), frozenset({"read"}))
    assert credentials.bearer(row, token + "x") is None
    assert credentials.bearer(row | {"revoked_at": AT}, token) is None
    assert credentials.bearer(None, token) is None


def test_roles_hold_what_lower_ones_may_and_properties_limit_what_is_seen() -> None:
    operator = Person("ada", "operator", ("demo",))
    assert [operator.may(role) for role in ("reader", "operator", "admin")] == [True, True, False]
    assert operator.sees("demo")
    assert not operator.sees("other")
    assert Person("root", "admin", ("*",)).sees("other")


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"host": "console:8500", "origin": "http://console:8500"}, True),
        ({"host": "console:8500", "origin": "http://evil.example"}, False),
        ({"host": "console:8500", "origin": "null"}, False),
        ({"host": "console:8500", "origin": "http://["}, False),
        ({"host": "console:8500", "sec-fetch-site": "same-origin"}, True),
        ({"host": "console:8500", "sec-fetch-site": "cross-site"}, False),
        ({"host": "console:8500"}, False),
    ],
)
def test_only_our_own_pages_may_change_something(headers: dict[str, str], ours: bool) -> None:
    assert credentials.is_same_origin(headers) is ours


@pytest.mark.parametrize(
    "address",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "",
        "//[",
        "http://[::1",
        "/\\",
    ],
)
def test_after_signing_in_nobody_is_sent_elsewhere(address: str) -> None:
    assert credentials.safe_next(address) == "/"
    assert credentials.safe_next("/explore?t=7d") == "/explore?t=7d"


def test_unknown_roles_and_scopes_are_refused_with_a_hint() -> None:
    with pytest.raises(UnknownName, match="did you mean 'operator'"):
        credentials.checked_role("operater")
    with pytest.raises(UnknownName, match="did you mean 'export'"):
        credentials.checked_scopes(["exports"])
    with pytest.raises(Mistake, match="needs a scope"):
        credentials.checked_scopes([])
