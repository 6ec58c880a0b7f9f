"""Heads: which requests are taken at all, by their first line and their headers."""

HEADER_BYTES = 32 * 1024
"""Names and values of one request's headers, and again of its trailers."""
MOST_HEADERS = 100
URL_BYTES = 16 * 1024
VERSIONS = ("1.1", "1.0")


class Unfit(Exception):
    """What came is no request that anybody answers: with which status it is refused, and why."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status, self.error = status, error


class Headers:
    """A request's headers, read as text only where they are asked for."""

    __slots__ = ("_count", "raw", "size")

    def __init__(self) -> None:
        self.raw: dict[bytes, bytes] = {}
        self.size = 0
        """Bytes of names and values."""
        self._count = 0

    def add(self, name: bytes, value: bytes) -> None:
        """One more; a repeated one is joined by commas. Raises `Unfit` beyond what is taken."""
        self._count += 1
        self.size += len(name) + len(value)
        if self._count > MOST_HEADERS or self.size > HEADER_BYTES:
            raise Unfit(431, "headers too large")
        raw, key = self.raw, name.lower()
        if key not in raw:
            raw[key] = value
        elif key == b"host":
            raise Unfit(400, "more than one host")
        else:
            raw[key] = b"%b, %b" % (raw[key], value)

    def get(self, name: str) -> str | None:
        """The header of this name in lower case."""
        value = self.raw.get(name.encode())
        return None if value is None else value.decode("latin-1")

    def items(self) -> list[tuple[str, str]]:
        """All of them."""
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw.items()]

    @property
    def framing(self) -> bytes:
        """The header that says how long the body is, as a line; empty where there is none."""
        for name in (b"content-length", b"transfer-encoding"):
            if name in self.raw:
                return b"%b: %b\r\n" % (name, self.raw[name])
        return b""


def check_head(method: str, version: str, headers: Headers) -> None:
    """Raises `Unfit` for another version of HTTP, no host, a body in an unknown coding, or a tunnel."""
    if version not in VERSIONS:
        raise Unfit(505, "send HTTP/1.1")
    raw = headers.raw
    if b"host" not in raw and version == "1.1":
        raise Unfit(400, "no host")
    coding = raw.get(b"transfer-encoding")
    if coding is not None and (coding.strip().lower() != b"chunked" or version == "1.0"):
        raise Unfit(400, "a transfer coding other than chunked")
    if method == "CONNECT":
        raise Unfit(400, "no tunnel here")


def origin_form(url: bytes) -> bytes:
    """Path and query of what was asked for, as `http://host/path` or as `/path`."""
    if url[:1] == b"/":
        return url
    scheme, found, rest = url.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        return url
    path = rest[len(rest.partition(b"/")[0].partition(b"?")[0]) :]
    return path if path.startswith(b"/") else b"/" + path
