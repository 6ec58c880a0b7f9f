"""Parses bytes into requests, each within limits before our own code sees it. The parser is llhttp."""

import logging
from typing import TYPE_CHECKING

import httptools

from qoescope.ingest.heads import HEADER_BYTES, URL_BYTES, Headers, HttpError, check_head
from qoescope.ingest.requests import Request

if TYPE_CHECKING:
    from qoescope.ingest.connections import ClientConnection

log = logging.getLogger(__name__)
OTHER_VERSION = HttpError(505, "send HTTP/1.1")
TOO_MANY_WAITING = HttpError(503, "too many requests wait here: send it again")


class BodyCallbacks:
    """The parser's callbacks for a body whose head another parser has read."""

    def __init__(self, reader: "Reader") -> None:
        self.on_header, self.on_body = reader.on_header, reader.on_body
        self.on_message_complete = reader.on_message_complete


class Reader:
    """Parses one connection's requests, and hands each to the connection."""

    def __init__(self, connection: "ClientConnection") -> None:
        self.begun = False
        """Whether a request's first byte has arrived and its last one has not."""
        self.incoming: Request | None = None
        """The request whose head has arrived and whose body is not complete."""
        self._connection = connection
        self._server = connection.server
        self._parser = httptools.HttpRequestParser(self)
        self._ended = False
        self._url, self._headers = b"", Headers()
        self._trailers: Headers | None = None
        self._received = 0
        """Bytes since the last head or body was complete."""
        self._upgrades = False
        self._error: HttpError | None = None

    def feed(self, data: bytes) -> HttpError | None:
        """Parses more bytes; returns the error that ends the connection, if any."""
        if self._ended:
            return None
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._continue_as_http_1(data[upgrade.args[0] :])
        except httptools.HttpParserCallbackError:
            if self._error is None:
                log.exception("what was sent could not be read")
                self._server.failures += 1
            return self._error or HttpError(500, "failed")
        except httptools.HttpParserError:
            is_http_2 = self._url == b"*" and self._parser.get_method() == b"PRI"
            return OTHER_VERSION if is_http_2 else HttpError(400, "not HTTP/1.1")
        return self._check_size()

    def _check_size(self) -> HttpError | None:
        """The error of a request that is too large, though the parser has not reported it yet."""
        if self.incoming is None:
            return HttpError(431, "headers too large") if self._received > HEADER_BYTES + URL_BYTES else None
        return HttpError(413, "more framing than body") if self._received > self._server.message_bytes else None

    def end(self, failure: Exception | None = None) -> None:
        """Stops parsing; whoever waits for a body gets `failure`."""
        self._ended = True
        if self.incoming is not None and failure is not None:
            self.incoming.end(failure)

    # What the parser tells

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self.begun = True
        self._connection.set_deadline(self._server.header_s)

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._url += url
        if len(self._url) > URL_BYTES:
            self._abort(HttpError(414, "the address is too long"))

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; trailers are discarded."""
        if self.incoming is None:
            headers = self._headers
        else:
            headers = self._trailers = self._trailers or Headers()
        try:
            headers.add(name, value)
        except HttpError as unfit:
            self._abort(unfit)

    def on_headers_complete(self) -> None:
        """The head is complete: the handler may start before the body is here."""
        parser = self._parser
        method = parser.get_method().decode("latin-1")
        try:
            check_head(method, parser.get_http_version(), self._headers)
        except HttpError as unfit:
            self._abort(unfit)
        request = Request(self._connection, method, self._url, self._headers)
        self._upgrades = parser.should_upgrade()
        request.keeps_alive = parser.should_keep_alive() and not self._upgrades
        self._url, self._headers, self._trailers, self._received = b"", Headers(), None, 0
        self.incoming = request
        self._connection.begin(request)
        self._refuse_crowding()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if self.incoming is not None:
            self.incoming.add(body, self._server.body_bytes)
            self._connection.count_held(self.incoming, len(body))
            self._refuse_crowding()

    def on_message_complete(self) -> None:
        """The request is complete; one that asked for an upgrade may still have a body."""
        if self._upgrades:
            return
        request, self.incoming = self.incoming, None
        self._received, self.begun = 0, False
        if request is not None:
            request.end()
        self._connection.set_deadline(None)

    def _refuse_crowding(self) -> None:
        if self._connection.is_crowded():
            self._abort(TOO_MANY_WAITING)

    def _abort(self, unfit: HttpError) -> None:
        """Stops the parser within its callback; raises."""
        self._error = unfit
        raise unfit

    def _continue_as_http_1(self, rest: bytes) -> HttpError | None:
        """Continues in HTTP/1.1 after a request that asked for an upgrade; it is the connection's last."""
        self._upgrades = False
        framing = self.incoming.headers.framing if self.incoming is not None else b""
        if not framing:
            self.on_message_complete()
            self._ended = True
            return None
        self._parser = httptools.HttpRequestParser(BodyCallbacks(self))
        self._parser.feed_data(b"POST / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n%b\r\n" % framing)
        return self.feed(rest)
