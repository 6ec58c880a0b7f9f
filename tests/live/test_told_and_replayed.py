"""What goes on behind the pages, on real tables: incidents and tests told, dead letters replayed."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from console_marts import Console, incident
from pydantic import SecretStr
from receivers import Mails, Receiver, http_receiver, mail_receiver
from until import until

from qoescope.catalog.errors import Mistake
from qoescope.catalog.watch import INCIDENTS
from qoescope.compile import arrow
from qoescope.connect import postgres
from qoescope.connect.postgres import Write
from qoescope.monitor.jobs.send_notifications import send_due
from qoescope.serve.store import replays
from qoescope.serve.store.outside import Outside, Progress
from qoescope.serve.store.store import Store, open_store
from qoescope.settings import Settings

pytestmark = pytest.mark.live
SOON_S = 60.0
NAMES = ("v1\r\nBcc: all@example.org", "v2\u2028x", "<!channel> <https://evil.example|v3>", "v4")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as kept:
        yield kept


@pytest.fixture
def mails() -> Iterator[Mails]:
    with mail_receiver() as kept:
        yield kept


@pytest.fixture
def told_to(small: Console, receiver: Receiver, mails: Mails) -> Settings:
    """The monitor's settings, with channels that are the test's."""
    return small.settings.model_copy(
        update={"slack_url": SecretStr(receiver.url), "mail_to": "ops@example.org", "smtp_port": mails.port}
    )


def broken(name: str, number: int, property_id: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    changed = {"id": f"named-{number}", "property": property_id, "slice_name": f"app_version={name}",
               "slice": json.dumps({"app_version": name}), "story": f"plays with {name} fail"}  # fmt: skip
    return incident(now, []) | changed


def test_no_name_keeps_an_incident_of_any_property_from_being_told(
    small: Console, told_to: Settings, receiver: Receiver, mails: Mails
) -> None:
    rows = [broken(name, n, property_id) for n, name in enumerate(NAMES) for property_id in ("demo", "other")]
    with postgres.connect(small.settings, "writer") as connection:
        with connection.transaction():
            postgres.upsert(connection, Write(INCIDENTS, pa.Table.from_pylist(rows, arrow.schema(INCIDENTS))))
        send_due(connection, told_to)
        assert send_due(connection, told_to) == 0
        became = connection.execute(
            "select status, count(*) from notifications where incident_id like 'named-%' group by 1"
        ).fetchall()
        connection.execute("delete from incidents where id like 'named-%'")
    assert became == [("sent", 2 * len(rows))]
    assert len([m for m in mails.got if "app_version" in m["Subject"]]) == len(rows)
    assert not [m for m in mails.got if m["Bcc"]]
    assert b"<" not in b"".join(body for _, body in receiver.got)


def test_a_test_is_sent_by_the_monitor_and_not_again_at_once(
    at: Store, told_to: Settings, receiver: Receiver, mails: Mails
) -> None:
    at.of("demo").ask_test("otto")
    with pytest.raises(Mistake, match="wait half a minute"):
        at.of("demo").ask_test("otto")
    with postgres.connect(at.settings, "writer") as connection:
        send_due(connection, told_to)
        rows = connection.execute(
            "select target, status from notifications where state = 'test' order by target"
        ).fetchall()
    assert rows == [("*", "sent"), ("mail", "sent"), ("slack", "sent")]
    assert any("requested by otto" in body.decode() for _, body in receiver.got)
    assert any("nobody" in m["Subject"] for m in mails.got)


@dataclass
class Done:
    """How far a replay of the test's is."""

    letters: int
    replayed: int = 0
    events: int = 0

    def __str__(self) -> str:
        return f"{self.letters} letters"


@pytest.fixture
def at(small: Console) -> Iterator[Store]:
    opened = open_store(small.settings)
    with opened.reader, opened.writer:
        yield opened


def running(at: Store, replay: Callable[..., object]) -> Store:
    at.outside = Outside(replay=replay)
    return at


def state(at: Store) -> str:
    found = replays.state(at.of("demo"))
    assert found is not None
    return replays.progress_text(found)


def test_a_replay_runs_behind_the_page_one_at_a_time_with_its_progress(at: Store) -> None:
    go_on, asked = threading.Event(), list[str]()

    def replay(settings: Settings, property_id: str, reason: str, told: Callable[[Progress], None]) -> object:
        del settings
        asked.append(f"{property_id} {reason}")
        told(Done(1))
        assert go_on.wait(SOON_S)
        return Done(2, 2, 7)

    begun = replays.start(running(at, replay).of("demo"), "malformed", "otto")
    assert begun is not None
    assert begun["total"] == 1
    until(lambda: state(at) == "replaying: 1 of 1 letters so far", SOON_S, "its progress is seen")
    assert replays.start(at.of("demo"), "malformed", "otto") is None
    go_on.set()
    until(lambda: state(at) == "2 letters.", SOON_S, "its end is seen")
    assert asked == ["demo malformed"]


def test_a_replay_that_fails_says_why_and_one_that_died_is_begun_again(at: Store) -> None:
    def refused(*_: object) -> object:
        raise Mistake("Kafka is away")

    def broken_off(*_: object) -> object:
        return Done(3)

    assert replays.start(running(at, refused).of("demo"), "", "otto") is not None
    until(lambda: state(at) == "Kafka is away", SOON_S, "why it failed is seen")
    with postgres.connect(at.settings, "writer") as connection:
        connection.execute(
            "update replays set state = 'running', letters = 1, total = 2, updated_at = now() - interval '3 minutes'"
        )
    assert state(at) == "the last replay ended after 1 of 2 letters: start it again"
    assert replays.start(running(at, broken_off).of("demo"), "", "otto") is not None
    until(lambda: state(at) == "3 letters.", SOON_S, "the new one ends")
