from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from qoescope.settings import Settings
from qoescope.stack import airflow, assembly, postgres, secrets
from qoescope.stack.children import Part

PORTS = {
    "postgres_port": 0,
    "broker_port": 0,
    "airflow_port": 0,
    "door_port": 0,
    "console_port": 0,
    "stream_port": 0,
    "monitor_port": 0,
}


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Settings]:
    jars = tmp_path / "jars" / "broker"
    jars.mkdir(parents=True)
    (jars / "kafka_2.13-0.jar").touch()
    with assembly.reserve_ports(Settings(var=tmp_path / "var", jars=tmp_path / "jars", **PORTS)) as here:  # type: ignore[arg-type]
        yield here


def names(parts: Sequence[Part]) -> list[str]:
    return [part.name for part in parts]


def test_parts_come_after_those_that_they_need(settings: Settings) -> None:
    seen: set[str] = set()
    for part in assembly.parts(settings):
        assert set(part.needs) <= seen
        seen.add(part.name)


def test_asking_for_a_part_brings_those_that_it_needs(settings: Settings) -> None:
    assert names(assembly.parts(settings, ["collect"])) == ["postgres", "kafka", "collect"]


def test_a_broker_in_the_settings_replaces_our_own(settings: Settings) -> None:
    elsewhere = settings.model_copy(update={"brokers": "kafka.example:9092"})
    assert names(assembly.parts(elsewhere, ["collect"])) == ["postgres", "collect"]


def test_every_part_gets_its_own_port(settings: Settings) -> None:
    ports = [part.port for part in assembly.parts(settings) if part.port]
    assert len(set(ports)) == len(ports) == len(PORTS)


def test_no_secret_is_among_the_arguments_or_the_environment_of_a_part(settings: Settings) -> None:
    airflow.configure(settings)
    known = [path.read_text().strip() for path in secrets.folder(settings).iterdir()]
    assert len(known) > 4
    for part in assembly.parts(settings):
        told = " ".join([*part.command, *part.environment.values()])
        assert not [secret for secret in known if secret in told]


def test_only_the_superuser_is_more_than_an_owner_of_tables() -> None:
    script = postgres.roles_sql({role: f"{role}-secret" for role in (*postgres.ROLES, postgres.AIRFLOW)})
    assert script.count("nosuperuser nocreatedb nocreaterole nobypassrls") == 4
    assert "revoke all on database qoescope from public;" in script
    assert "grant connect on database qoescope to qoescope_reader;" in script
