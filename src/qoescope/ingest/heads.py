"""Checks a request's first line and headers."""

HEADER_BYTES = 32 * 1024
"""Names and values of one request's headers, and again of its trailers."""
MOST_HEADERS = 100
URL_BYTES = 16 * 1024
VERSIONS = ("1.1", "1.0")


class HttpError(Exception):
    """A request that is refused at the level of HTTP: the status and the reason."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class Headers:
    """A request's headers, decoded only where they are asked for."""

    __slots__ = ("_count", "raw", "size")

    def __init__(self) -> None:
        self.raw: dict[bytes, bytes] = {}
        self.size = 0
        """Bytes of names and values."""
        self._count = 0

    def add(self, name: bytes, value: bytes) -> None:
        """Adds a header; a repeated one is joined by commas. Raises `HttpError` beyond the limits."""
        self._count += 1
        self.size += len(name) + len(value)
        if self._count > MOST_HEADERS or self.size > HEADER_BYTES:
            raise HttpError(431, "headers too large")
        raw, key = self.raw, name.lower()
        if key not in raw:
            raw[key] = value
        elif key == b"host":
            raise HttpError(400, "more than one host")
        else:
            raw[key] = b"%b, %b" % (raw[key], value)

    def get(self, name: str) -> str | None:
        """The value of the header, whose name is given in lower case; None where it is missing."""
        value = self.raw.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def items(self) -> list[tuple[str, str]]:
        """All headers as (name, value)."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw.items()]

    @property
    def framing(self) -> bytes:
        """The header that gives the body's length, as a line; empty where there is none."""
        for name in (b"content-length", b"transfer-encoding"):
            if name in self.raw:
                return b"%b: %b\r\n" % (name, self.raw[name])
        return b""


def check_head(method: str, version: str, headers: Headers) -> None:
    """Raises `HttpError` for an unsupported HTTP version or transfer coding, a missing host, or CONNECT."""
    if version not in VERSIONS:
        raise HttpError(505, "send HTTP/1.1")
    raw = headers.raw
    if b"host" not in raw and version == "1.1":
        raise HttpError(400, "no host")
    coding = raw.get(b"transfer-encoding")
    if coding is not None and (coding.strip().lower() != b"chunked" or version == "1.0"):
        raise HttpError(400, "a transfer coding other than chunked")
    if method == "CONNECT":
        raise HttpError(400, "no tunnel here")


def origin_form(url: bytes) -> bytes:
    """Path and query of a request target, given as `http://host/path` or as `/path`."""
    if url[:1] == b"/":
        return url
    scheme, separator, rest = url.partition(b"://")
    if not separator or scheme.lower() not in (b"http", b"https"):
        return url
    path = rest[len(rest.partition(b"/")[0].partition(b"?")[0]) :]
    return path if path.startswith(b"/") else b"/" + path
