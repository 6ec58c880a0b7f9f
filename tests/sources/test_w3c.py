"""W3C extended logs: fields by their names, whatever their order and whatever lies between them."""

from datetime import UTC, datetime

from qoescope.sources.cdn_logs import w3c
from qoescope.sources.cdn_logs.requests import LoggedRequest, UnreadableLine

NAMES = b"#Fields: time date cs-uri-stem cs-uri-query sc-status cs(User-Agent) x-host-header cs(CMCD-Session)"
LINE = "08:10:00\t2026-11-24\t/1.m4s\tCMCD=br%3D3000\t200\tApp/1%20(x)\ta.example\tsid=%22x%22"


def entries(*lines: bytes) -> list[object]:
    return [entry for _, entry in w3c.parse(enumerate(lines, 1))]


def test_fields_are_taken_by_name() -> None:
    _, request = entries(NAMES, LINE.encode())
    assert request == LoggedRequest(
        datetime(2026, 11, 24, 8, 10, tzinfo=UTC),
        "https://a.example/1.m4s?CMCD=br%3D3000",
        200,
        "App/1 (x)",
        (("user-agent", "App/1%20(x)"), ("cmcd-session", "sid=%22x%22")),
    )


def test_spaces_between_fields_and_new_names_in_mid_file_are_read() -> None:
    _, first, _, second = entries(NAMES, LINE.replace("\t", " ").encode(), b"#Fields: date time cs-uri-stem",
                                  b"2026-11-24 08:10:01 /2.m4s")  # fmt: skip
    assert isinstance(first, LoggedRequest)
    assert isinstance(second, LoggedRequest)
    assert (second.url, second.status, second.at.second) == ("/2.m4s", None, 1)


def test_a_dash_is_no_value() -> None:
    line = LINE.replace("CMCD=br%3D3000", "-").replace("200", "-").replace("sid=%22x%22", "-").encode()
    _, request = entries(NAMES, line)
    assert isinstance(request, LoggedRequest)
    assert (request.url, request.status, [name for name, _ in request.headers], request.unknown) == (
        "https://a.example/1.m4s", None, ["user-agent"], (),
    )  # fmt: skip


def test_lines_without_names_or_with_other_fields_are_unreadable() -> None:
    unnamed, remark, short, timeless = entries(LINE.encode(), NAMES, b"08:10:00\t2026-11-24",
                                               LINE.replace("08:10:00", "soon").encode())  # fmt: skip
    assert remark is None
    assert [isinstance(entry, UnreadableLine) for entry in (unnamed, short, timeless)] == [True] * 3
