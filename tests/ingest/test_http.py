"""HTTP over loopback sockets: whatever a handler or a sender does, no connection, task or byte stays."""

import asyncio
import logging
from pathlib import Path

import pytest
from loopback import GET, LAST, WITHIN_S, Seen, echo, hear, heard_by, serving, statuses

from qoescope.ingest import pages
from qoescope.ingest.bodies import Refused
from qoescope.ingest.connections import MOST_AT_ONCE
from qoescope.ingest.heads import MOST_HEADERS
from qoescope.ingest.requests import Request
from qoescope.settings import Settings


def test_a_handler_that_fails_answers_500_closes_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request) -> None:
        raise OSError(36, "File name too long", request.path)

    with caplog.at_level(logging.ERROR):
        heard = heard_by(broken, GET % b"a", GET % b"b")
    assert (statuses(heard), heard.count(b"connection: close")) == ([500], 1)
    assert "File name too long" in caplog.text


def test_a_handler_that_fails_within_its_answer_closes(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(request: Request) -> None:
        request.head(200, (), 10)
        raise EOFError

    with caplog.at_level(logging.ERROR):
        assert heard_by(broken, GET % b"a").endswith(b"\r\n\r\n")
    assert "EOFError" in caplog.text


def test_a_handler_that_does_not_answer_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(request: Request) -> None:
        return

    async def endless(request: Request) -> None:
        await asyncio.Event().wait()

    with caplog.at_level(logging.ERROR):
        assert statuses(heard_by(silent, GET % b"a")) == [500]
        assert heard_by(endless, GET % b"a") == b""
    assert "was not answered in time" in caplog.text


def test_a_sender_that_leaves_before_its_answer_leaves_nothing() -> None:
    seen = Seen()

    async def late(request: Request) -> None:
        await seen.gate.wait()
        request.answer(200)

    async def main() -> None:
        seen.gate = asyncio.Event()
        async with serving(late) as server:
            await hear(server, GET % b"a", leaves=True)
            async with asyncio.timeout(WITHIN_S):
                while server.connections:
                    await asyncio.sleep(0.02)
            seen.gate.set()

    asyncio.run(main())


def test_trailers_are_headers_of_no_request() -> None:
    seen = Seen()

    async def keep(request: Request) -> None:
        seen.bodies.append(await request.body())
        seen.requests.append(request)
        request.answer(200)

    chunked = b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n%b\r\n\r\n"
    heard = heard_by(keep, chunked % b"authorization: Bearer other\r\norigin: b", LAST)
    assert statuses(heard) == [200, 200]
    assert [request.headers.get("authorization") for request in seen.requests] == [None, None]
    assert [request.headers.get("origin") for request in seen.requests] == [None, None]


@pytest.mark.parametrize("count", [MOST_HEADERS, MOST_HEADERS + 1])
def test_headers_and_trailers_are_few(count: int) -> None:
    many = b"".join(b"x-%d: y\r\n" % number for number in range(count))
    head = b"GET /a HTTP/1.1\r\n" + b"host: a\r\n" + many[many.index(b"\n") + 1 :] + b"\r\n"
    body = b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n" + many + b"\r\n"

    async def whole(request: Request) -> None:
        await request.body()
        request.answer(200)

    taken = [[200, 200], [200, 200]] if count == MOST_HEADERS else [[431], []]
    assert statuses(heard_by(whole, head, LAST)) == taken[0]
    assert statuses(heard_by(whole, body, LAST)) == taken[1] or count > MOST_HEADERS


def test_one_header_joined_many_times_is_refused_before_it_is_joined_for_long() -> None:
    assert statuses(heard_by(echo, b"GET /a HTTP/1.1\r\nhost: a\r\n" + b"a:b\r\n" * 50_000 + b"\r\n")) == [431]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        (b"GET /" + b"y" * 20_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 400_000, 431),
    ],
    ids=["no host", "two hosts", "2.0", "0.9", "preface of 2", "coding", "coding in 1.0", "tunnel", "long", "wide"],
)
def test_a_head_that_is_unfit_is_refused_with_its_status(sent: bytes, status: int) -> None:
    assert statuses(heard_by(echo, sent)) == [status]


@pytest.mark.parametrize(
    "sent",
    [b"GET http://a/x HTTP/1.1\r\nhost: a\r\n\r\n", b"GET HTTPS://a:1/x?y HTTP/1.1\r\nhost: a\r\n\r\n", GET % b"x"],
)
def test_an_address_may_name_its_host(sent: bytes) -> None:
    assert heard_by(echo, sent, LAST).count(b"\r\n\r\n/x") == 1


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_who_would_speak_something_else_is_answered_in_http(protocol: bytes) -> None:
    seen = Seen()

    async def keep(request: Request) -> None:
        seen.bodies.append(await request.body())
        request.answer(200)

    head = b"POST /a HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: %b\r\n%b\r\n%b"
    sized = head % (protocol, b"content-length: 3\r\n", b"abc")
    in_chunks = head % (protocol, b"transfer-encoding: chunked\r\n", b"2\r\nab\r\n1\r\nc\r\n0\r\nx: y\r\n\r\n")
    bare = head % (protocol, b"", b"")
    for sent in (sized, in_chunks, bare):
        heard = heard_by(keep, sent, GET % b"next")
        assert (statuses(heard), heard.count(b"connection: close")) == ([200], 1)
    assert seen.bodies == [b"abc", b"abc", b""]


def test_what_came_before_a_bad_request_is_answered_first() -> None:
    async def slow(request: Request) -> None:
        await asyncio.sleep(0.1)
        request.answer(200, (), request.path.encode())

    heard = heard_by(slow, GET % b"a" + GET % b"b" + b"no request\r\n\r\n")
    assert (statuses(heard), heard.index(b"/a") < heard.index(b"/b")) == ([200, 200, 400], True)


def test_a_request_that_never_ends_behind_another_is_closed_in_time() -> None:
    assert statuses(heard_by(echo, GET % b"a" + b"GET /b HTTP/1.1\r\nx: ")) == [200, 408]
    assert statuses(heard_by(echo, GET % b"a" + b"\r\n")) == [200]


def test_an_answer_that_is_read_late_leaves_an_idle_connection() -> None:
    """Once all is read the connection is as idle as any other, and is closed in time."""

    async def large(request: Request) -> None:
        request.answer(200, (), bytes(10_000_000))

    async def main() -> int:
        async with serving(large, body_timeout_s=20) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server._port)  # noqa: SLF001
            writer.write(GET % b"a")
            async with asyncio.timeout(WITHIN_S):
                while not server.idle:
                    await asyncio.sleep(0.02)
                heard = len(await reader.read())
            writer.close()
            return heard

    assert asyncio.run(main()) > 9_000_000


def test_answers_are_made_no_faster_than_they_are_read() -> None:
    seen = Seen()

    async def large(request: Request) -> None:
        seen.requests.append(request)
        request.answer(200, (), bytes(10_000_000))

    async def main() -> int:
        async with serving(large) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server._port)  # noqa: SLF001
            writer.write((GET % b"a") * 100)
            async with asyncio.timeout(WITHIN_S):
                while not server.connections:
                    await asyncio.sleep(0.02)
                while server.connections:
                    await asyncio.sleep(0.02)
            writer.close()
            return len(seen.requests)

    assert asyncio.run(main()) < 5


def test_a_sender_that_never_reads_is_closed_in_time() -> None:
    async def endless(request: Request) -> None:
        request.head(200, (), 10**12)
        while True:
            await request.send(bytes(65_536))

    async def main() -> None:
        async with serving(endless) as server:
            _, writer = await asyncio.open_connection("127.0.0.1", server._port, limit=1)  # noqa: SLF001
            writer.write(GET % b"a")
            async with asyncio.timeout(WITHIN_S):
                while not server.connections:
                    await asyncio.sleep(0.02)
                while server.connections:
                    await asyncio.sleep(0.02)
            writer.close()

    asyncio.run(main())


def test_what_waits_for_its_turn_is_bounded_for_all_connections_together() -> None:
    async def slow(request: Request) -> None:
        await asyncio.sleep(0.01)
        request.answer(200)

    heard = heard_by(slow, (GET % b"a") * 300, door_unacknowledged_bytes=50_000)
    assert 10 < len(statuses(heard)) < 100
    assert heard.count(b"connection: close") == 1


def test_requests_sent_faster_than_they_are_answered_are_refused_in_their_order() -> None:
    heard = statuses(heard_by(echo, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n" * 3_000))
    assert heard == [200] * (len(heard) - 1) + [heard[-1]]
    assert (len(heard) > MOST_AT_ONCE, heard[-1] in (200, 503)) == (True, True)


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"1;" + b"y" * 1_000 + b"\r\nx\r\n"], ids=["body", "framing"])
def test_a_body_in_the_smallest_chunks_is_refused_by_its_size(chunk: bytes) -> None:
    async def whole(request: Request) -> None:
        try:
            await request.body()
        except Refused as refused:
            request.answer(refused.status)

    head = b"POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n"
    assert statuses(heard_by(whole, head, chunk * 15_000, body_bytes=10_000)) == [413]


def test_a_slow_answer_gives_way_to_others(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.m4s").write_bytes(bytes(1_000_000))
    settings = Settings(var=tmp_path)

    async def main() -> bytes:
        async with serving(lambda request: pages.show(request, settings), door_connections=2) as server:
            downloads = []
            for _ in range(4):
                reader, writer = await asyncio.open_connection("127.0.0.1", server._port)  # noqa: SLF001
                downloads.append(writer)
                writer.write(GET % b"demo/media/a.m4s?kbps=500")
                await reader.readuntil(b"\r\n\r\n")
            heard = await hear(server, b"GET /demo/demo.css HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            for writer in downloads:
                writer.close()
            return heard

    assert statuses(asyncio.run(main())) == [200]


@pytest.mark.parametrize("name", ["%00", "a" * 4_200, "../secrets/viewers.v1.key", "%2e%2e/a", "a/" * 2_000, "%ff", ""])
def test_a_path_that_names_no_file_is_answered_404(tmp_path: Path, name: str) -> None:
    settings = Settings(var=tmp_path)
    (tmp_path / "a").touch()
    sent = GET % f"demo/media/{name}".encode()
    heard = heard_by(lambda request: pages.show(request, settings), sent, LAST)
    assert statuses(heard) == [404, 404]
