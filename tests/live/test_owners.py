"""What lies in Postgres of owners and of health, on a server of its own."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from until import until

from qoescope.connect import health, health_rows, locks, postgres
from qoescope.connect.health import HealthBoard
from qoescope.settings import Settings, environment
from qoescope.stack import assembly, system

pytestmark = pytest.mark.live
UP_S, SOON_S = 600, 120
OWNER = """
import signal, sys
from qoescope.connect import locks
from qoescope.settings import Settings
with locks.Lease(Settings(), "the state"):
    print("owned", flush=True)
    signal.pause()
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Postgres alone."""
    wanted = Settings(var=tmp_path_factory.mktemp("owners") / "var", postgres_port=0, least_free_bytes=0)
    with assembly.run_parts(wanted, ["postgres"]) as (placed, parts):
        parts.wait(["postgres"], UP_S)
        yield placed


def test_a_lease_names_its_owner_and_ends_with_it_also_by_kill(settings: Settings) -> None:
    variables = environment({"QOESCOPE_VAR": str(settings.var)})
    with subprocess.Popen([sys.executable, "-c", OWNER], env=variables, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "owned\n"
        with pytest.raises(locks.Owned, match=rf"the state is owned by process {owner.pid} since .* on "):
            locks.Lease(settings, "the state").hold()
        with locks.Lease(settings, "another state"):
            pass
        owner.send_signal(signal.SIGKILL)
        owner.wait(SOON_S)
    lease = locks.Lease(settings, "the state")

    def ours() -> bool:
        try:
            lease.hold()
        except locks.Owned:
            return False
        return True

    until(ours, SOON_S, "the lease of a killed process is free")
    lease.hold()  # it is ours already
    lease.close()


def test_a_lease_that_its_connection_lost_is_taken_again_unless_another_has_it(settings: Settings) -> None:
    lease, other = locks.Lease(settings, "a lost state"), locks.Lease(settings, "a lost state")
    lease.hold()

    def cut() -> None:
        sql = "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted"
        with postgres.connect(settings, "writer") as connection:
            connection.execute(sql)

    cut()
    lease.hold()
    cut()
    until(lambda: free(settings, "a lost state"), SOON_S, "the server has noticed")
    other.hold()
    with pytest.raises(locks.Owned):
        lease.hold()
    other.close()


def free(settings: Settings, name: str) -> bool:
    """Whether nobody holds the lease."""
    with postgres.connect(settings, "writer") as connection:
        return connection.execute(locks.OWNER, (name,)).fetchone() is None


def test_a_part_that_fails_is_an_incident_of_the_system_until_it_works_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def incidents() -> list[tuple[str, str]]:
        with postgres.connect(settings, "writer") as connection:
            system.update_incidents(settings, connection)
            sql = "select state, story from incidents where property = %s order by opened_at"
            return connection.execute(sql, (system.PROPERTY,)).fetchall()

    with HealthBoard(settings, "stream", ["events"]) as board:
        board.set_state("running")
        assert incidents() == []
        for _ in range(3):
            board["events"].failed(OSError(28, "No space left on device", "/lake"))
        ((state, story),) = until(incidents, SOON_S)
        assert state == "confirmed"
        assert story.startswith("stream: events failed 3 times in a row: the disk is full: OSError: [Errno 28]")
        monkeypatch.setattr(system, "OVER_AFTER", system.OVER_AFTER * 0)
        board["events"].succeeded()
        assert until(lambda: found if (found := incidents())[0][0] == "closed" else None, SOON_S)[0][1] == story


def test_health_is_read_from_postgres_where_there_is_no_common_disk(settings: Settings, tmp_path: Path) -> None:
    far = settings.model_copy(update={"var": tmp_path, "writer_dsn": postgres.dsn(settings, "writer")})
    board = HealthBoard(Settings(var=tmp_path / "elsewhere"), "far", ["loop"])
    board["loop"].failed("no Kafka at x:1")
    now = time.time()
    with postgres.connect(settings, "writer") as connection:
        health_rows.save(connection, board.snapshot())
        (told,) = [part for part in health_rows.read(far, connection, now) if part.part == "far"]
        assert (told.loops[0].failures, told.loops[0].anchor) == (1, "kafka-does-not-answer")
        assert abs(told.written_at - now) < 60
        assert health.read(far) == []
        connection.execute("delete from part_health where part = 'far'")
