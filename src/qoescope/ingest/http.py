"""The HTTP server: listens, bounds the number of connections, and enforces their timeouts.

Why there is a server of our own: `docs/decisions/0015`.
"""

import asyncio
import logging
import resource
import ssl
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from email.utils import formatdate

from qoescope.ingest.connections import ClientConnection
from qoescope.ingest.heads import HEADER_BYTES
from qoescope.ingest.requests import Request
from qoescope.settings import Settings

log = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[None]]
SPARE_S = 5.0
"""How much longer than all timeouts that it contains an answer may take."""
SPARE_FILES = 256
"""File descriptors for everything but connections."""


class Server:
    """Listens, and enforces the timeouts of all connections."""

    def __init__(self, handler: Handler, settings: Settings) -> None:
        self.handler = handler
        self.loop = asyncio.get_running_loop()
        self.header_s, self.body_s = settings.header_timeout_s, settings.body_timeout_s
        self.answer_s = self.body_s + settings.kafka_delivery_ms / 1000 + SPARE_S
        self.body_bytes = settings.body_bytes
        self.most_connections = min(settings.door_connections, raise_file_limit(settings.door_connections))
        self.message_bytes = 2 * self.body_bytes + HEADER_BYTES
        """Of one body with its framing, chunk by chunk."""
        self.ahead_bytes = 0
        """Of requests that wait for the one before them to be answered."""
        self.most_ahead_bytes = settings.door_unacknowledged_bytes
        self.failures = 0
        """Requests that ended in what nobody foresaw."""
        self.connections: set[ClientConnection] = set()
        self.idle: OrderedDict[ClientConnection, None] = OrderedDict()
        """Of them, those that give way: no request is answered, or one that takes its time; the oldest first."""
        self.stopping = False
        self.date = b""
        self._address, self._port = settings.door_address, settings.door_port
        self._shared = settings.door_workers > 1
        self._tls = _tls_context(settings)
        self._listening: asyncio.Server
        self.sweep()

    async def start(self) -> None:
        """Starts to listen; raises `OSError` when the port is taken."""
        self._listening = await self.loop.create_server(
            lambda: ClientConnection(self),
            self._address,
            self._port,
            backlog=1024,
            ssl=self._tls,
            ssl_handshake_timeout=self.header_s if self._tls else None,
            ssl_shutdown_timeout=self.header_s if self._tls else None,
            reuse_port=self._shared or None,
        )

    def sweep(self) -> None:
        """Closes connections that exceed a timeout; called each second."""
        self.date = f"date: {formatdate(usegmt=True)}\r\n".encode()
        now = time.monotonic()
        for connection in list(self.connections):
            connection.sweep(now)

    def make_room(self) -> bool:
        """Whether one more connection may be accepted; evicts the one that has been idle longest if necessary."""
        if len(self.connections) < self.most_connections:
            return True
        if not self.idle:
            return False
        oldest, _ = self.idle.popitem(last=False)
        self.connections.discard(oldest)
        oldest.evict()
        return True

    def stop(self) -> None:
        """Stops listening; connections close with their next answer."""
        self.stopping = True
        self._listening.close()
        for connection in list(self.connections):
            connection.close_if_idle()


def raise_file_limit(connections: int) -> int:
    """Raises this process' limit on file descriptors; returns how many connections fit into it."""
    wanted = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return connections
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft < wanted:
        log.warning("%d descriptors are allowed, so fewer than %d connections are taken", soft, connections)
    return max(soft // 2, soft - SPARE_FILES)


def _tls_context(settings: Settings) -> ssl.SSLContext | None:
    if settings.door_tls_certificate is None or settings.door_tls_key is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(settings.door_tls_certificate, settings.door_tls_key)
    return context
