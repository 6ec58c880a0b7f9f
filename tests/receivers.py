"""Receivers: a web server and a mail server of the tests' own, which keep what they are sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

PATIENT_S = 60.0


@dataclass(repr=False)
class Receiver:
    """Answers with the next of `answers` (0: not before it is told to), then with 200; keeps what it was sent."""

    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    body_bytes: int = 0
    """Of the answer; they are promised and do not come."""

    def answer(self) -> int:
        status = self.answers.pop(0) if self.answers else 200
        if not status:
            self.go_on.wait(PATIENT_S)
        return status or 200


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    """A web server that keeps what is posted to it."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            try:
                self.send_response(kept.answer())
                self.send_header("Content-Length", str(kept.body_bytes))
                self.end_headers()
                if kept.body_bytes:
                    kept.go_on.wait()
            except OSError:  # it no longer waits
                return

        def log_message(self, format: str, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    yield kept
    kept.go_on.set()
    server.shutdown()
    server.server_close()
    thread.join()


class Mails:
    """What a mail server took."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name there
        """Takes a mail."""
        del server, session
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self.got.append(message)
        return "250 taken"


@contextmanager
def mail_receiver() -> Iterator[Mails]:
    """A mail server that keeps what it is sent."""
    kept = Mails()
    with socket.create_server(("127.0.0.1", 0)) as free:
        kept.port = free.getsockname()[1]
    controller = Controller(kept, hostname="127.0.0.1", port=kept.port)
    controller.start()
    yield kept
    controller.stop()
