"""Reading: bytes become requests, each bounded before any of our code sees it. The parser is llhttp."""

import logging
from typing import TYPE_CHECKING

import httptools

from qoescope.ingest.heads import HEADER_BYTES, URL_BYTES, Headers, Unfit, check_head
from qoescope.ingest.requests import Request

if TYPE_CHECKING:
    from qoescope.ingest.connections import Connection

log = logging.getLogger(__name__)
OTHER_VERSION = Unfit(505, "send HTTP/1.1")
CROWDED = Unfit(503, "too many requests wait here: send it again")


class Rest:
    """What a parser calls back for a body whose head another one has read."""

    def __init__(self, reader: "Reader") -> None:
        self.on_header, self.on_body = reader.on_header, reader.on_body
        self.on_message_complete = reader.on_message_complete


class Reader:
    """Reads one connection's requests and tells the connection of each; throws away what is none."""

    def __init__(self, connection: "Connection") -> None:
        self.begun = False
        """A request's first byte is here, and its last one is not."""
        self.incoming: Request | None = None
        """The request whose head is here, and whose body is not whole."""
        self._connection = connection
        self._server = connection.server
        self._parser = httptools.HttpRequestParser(self)
        self._ended = False
        self._url, self._headers = b"", Headers()
        self._trailers: Headers | None = None
        self._received = 0
        """Bytes since the last head or body was whole."""
        self._upgrades = False
        self._unfit: Unfit | None = None

    def feed(self, data: bytes) -> Unfit | None:
        """Reads on; why the connection cannot go on, if so."""
        if self._ended:
            return None
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._stay(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            if self._unfit is None:
                log.exception("what was sent could not be read")
                self._server.failures += 1
            return self._unfit or Unfit(500, "failed")
        except httptools.HttpParserError:
            is_http_2 = self._url == b"*" and self._parser.get_method() == b"PRI"
            return OTHER_VERSION if is_http_2 else Unfit(400, "not HTTP/1.1")
        return self._measure()

    def _measure(self) -> Unfit | None:
        """Why what came of one request is too much, if so, though the parser has not told of it yet."""
        if self.incoming is None:
            return Unfit(431, "headers too large") if self._received > HEADER_BYTES + URL_BYTES else None
        return Unfit(413, "more framing than body") if self._received > self._server.message_bytes else None

    def end(self, wrong: Exception | None = None) -> None:
        """Reads no more; who waits for a body is told why it will not come."""
        self._ended = True
        if self.incoming is not None and wrong is not None:
            self.incoming.end(wrong)

    # What the parser tells

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self.begun = True
        self._connection.allow(self._server.header_s)

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._url += url
        if len(self._url) > URL_BYTES:
            self._stop(Unfit(414, "the address is too long"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; or a trailer, which is thrown away."""
        if self.incoming is None:
            headers = self._headers
        else:
            headers = self._trailers = self._trailers or Headers()
        try:
            headers.add(name, value)
        except Unfit as unfit:
            self._stop(unfit)

    def on_headers_complete(self) -> None:
        """A request begins: its handler may start before its body is here."""
        parser = self._parser
        method = parser.get_method().decode("latin-1")
        try:
            check_head(method, parser.get_http_version(), self._headers)
        except Unfit as unfit:
            self._stop(unfit)
        request = Request(self._connection, method, self._url, self._headers)
        self._upgrades = parser.should_upgrade()
        request.keeps_alive = parser.should_keep_alive() and not self._upgrades
        self._url, self._headers, self._trailers, self._received = b"", Headers(), None, 0
        self.incoming = request
        self._connection.begin(request)
        self._check_room()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self.incoming is not None:
            self.incoming.add(body, self._server.body_bytes)
            self._connection.hold(self.incoming, len(body))
            self._check_room()

    def on_message_complete(self) -> None:
        """The request is whole; one that would speak something else from here on may yet have a body."""
        if self._upgrades:
            return
        request, self.incoming = self.incoming, None
        self._received, self.begun = 0, False
        if request is not None:
            request.end()
        self._connection.allow(None)

    def _check_room(self) -> None:
        if self._connection.is_crowded():
            self._stop(CROWDED)

    def _stop(self, unfit: Unfit) -> None:
        """Stops the parser within what it tells; raises."""
        self._unfit = unfit
        raise unfit

    def _stay(self, rest: bytes) -> Unfit | None:
        """Goes on in HTTP/1.1 after a request that would rather speak something else; it is the connection's last."""
        self._upgrades = False
        framing = self.incoming.headers.framing if self.incoming is not None else b""
        if not framing:
            self.on_message_complete()
            self._ended = True
            return None
        self._parser = httptools.HttpRequestParser(Rest(self))
        self._parser.feed_data(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%b\r\n" % framing)
        return self.feed(rest)
