"""Airflow: its four processes on loopback, its database in our Postgres, and runs of DAGs through its API."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

import httpx

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings, environment
from qoescope.stack import postgres, processes, secrets
from qoescope.stack.children import Part

USER = "admin"
FINAL_STATES = ("success", "failed")
RESTATE, IMPORT = "restate", "import_csv"
"""The DAGs that the demo runs."""
MIGRATION_LOCK = threading.Lock()

CONFIGURATION = """[core]
dags_folder = {dags}
executor = LocalExecutor
parallelism = 2
max_active_tasks_per_dag = 2
load_examples = False
dags_are_paused_at_creation = False
default_timezone = utc
default_task_retries = 0
fernet_key = {fernet_key}
simple_auth_manager_users = admin:admin
simple_auth_manager_all_admins = False
simple_auth_manager_passwords_file = {passwords}
execution_api_server_url = {url}/execution/
[database]
sql_alchemy_conn = {database}
sql_alchemy_conn_async = {database}
sql_alchemy_pool_size = 5
[api]
host = 127.0.0.1
port = {port}
base_url = {url}
workers = 1
secret_key = {api_secret}
[api_auth]
jwt_secret = {jwt_secret}
[scheduler]
enable_health_check = False
scheduler_heartbeat_sec = 2
[triggerer]
default_capacity = 10
[dag_processor]
parsing_processes = 1
min_file_process_interval = 300
refresh_interval = 300
[logging]
base_log_folder = {home}/logs
logging_level = INFO
file_task_handler_new_folder_permissions = 0o700
file_task_handler_new_file_permissions = 0o600
[metrics]
statsd_on = False
[usage_data_collection]
enabled = False
"""


def home(settings: Settings) -> Path:
    """Airflow's own folder."""
    return settings.var.resolve() / "airflow"


def url(settings: Settings) -> str:
    """The URL of its pages and its API."""
    return f"http://127.0.0.1:{settings.airflow_port}"


def parts(settings: Settings, more: Mapping[str, str]) -> list[Part]:
    """API server, scheduler, DAG processor and triggerer; `more` is the environment of the DAGs' tasks."""
    variables = {**more, "AIRFLOW_HOME": str(home(settings))}

    def prepare() -> None:
        with MIGRATION_LOCK:
            migrate(settings, variables)

    def component(name: str, *options: str) -> Part:
        return Part(
            name=f"airflow-{name}",
            command=[sys.executable, "-m", "airflow", name, *options],
            ready=lambda: is_healthy(settings, name),
            needs=("postgres",),
            prepare=prepare,
            check_s=30,
            environment=variables,
            stop_s=30,
        )

    server = Part(
        name="airflow",
        command=[sys.executable, "-m", "airflow", "api-server", "--host", "127.0.0.1"],
        ready=lambda: health(settings) is not None,
        needs=("postgres",),
        prepare=prepare,
        check_s=30,
        environment=variables,
        stop_s=30,
        port=settings.airflow_port,
        url=url(settings),
    )
    return [
        server,
        component("scheduler", "--skip-serve-logs"),
        component("dag-processor"),
        component("triggerer", "--skip-serve-logs"),
    ]


def migrate(settings: Settings, variables: Mapping[str, str]) -> None:
    """Writes the configuration, and migrates the database unless it is known to be at this version.

    Raises `Mistake` when the migration fails.
    """
    configure(settings)
    done_before = postgres.data_folder(settings).parent / "airflow.version"
    if done_before.exists() and done_before.read_text() == version("apache-airflow"):
        return
    done = subprocess.run(
        [sys.executable, "-m", "airflow", "db", "migrate"],
        env=environment(variables),
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=900,
    )
    if done.returncode:
        log = home(settings) / "migrate.log"
        log.write_text(done.stdout + done.stderr)
        raise Mistake(f"airflow db migrate failed ({(done.stderr.strip().splitlines() or ['?'])[-1]}): see {log}")
    done_before.write_text(version("apache-airflow"))


def configure(settings: Settings) -> None:
    """Writes Airflow's configuration, which holds secrets, readable by this user only."""
    home(settings).mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = secrets.folder(settings) / "airflow_users.json"
    if not passwords.exists():
        secrets.write(passwords, json.dumps({USER: secrets.secret(settings, "airflow_admin.password")}))
    text = CONFIGURATION.format(
        dags=settings.dags.resolve(),
        passwords=passwords.resolve(),
        home=home(settings),
        port=settings.airflow_port,
        url=url(settings),
        database=postgres.airflow_url(settings),
        fernet_key=secrets.secret(settings, "airflow_fernet.key", secrets.fernet_key()),
        jwt_secret=secrets.secret(settings, "airflow_jwt.key", secrets.signing_key()),
        api_secret=secrets.secret(settings, "airflow_api.key"),
    )
    secrets.write(home(settings) / "airflow.cfg", text)


def health(settings: Settings) -> dict[str, Any] | None:
    """Airflow's report on its processes; None while it does not answer."""
    answer = processes.get_body(settings.airflow_port, "/api/v2/monitor/health")
    return dict(json.loads(answer)) if answer else None


def is_healthy(settings: Settings, component: str) -> bool:
    """Whether this process has a fresh heartbeat."""
    state = (health(settings) or {}).get(component.replace("-", "_")) or {}
    return state.get("status") == "healthy"


class AirflowApi:
    """Airflow's API as its administrator; close it by `with`. Methods raise `Mistake` on an error status."""

    def __init__(self, settings: Settings) -> None:
        once = httpx.Limits(
            max_keepalive_connections=0
        )  # Airflow may close one in the moment in which it is used again
        self._http = httpx.Client(
            base_url=url(settings), timeout=settings.airflow_timeout_s, trust_env=False, limits=once
        )
        password = secrets.secret(settings, "airflow_admin.password")
        answer = self._http.post("/auth/token", json={"username": USER, "password": password})
        self._http.headers["authorization"] = f"Bearer {_checked_json(answer)['access_token']}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def knows(self, dag: str) -> bool:
        """Whether the DAG has been parsed."""
        return self._http.get(f"/api/v2/dags/{dag}").is_success

    def import_errors(self) -> list[str]:
        """Errors of files in the DAGs' folder."""
        answer = _checked_json(self._http.get("/api/v2/importErrors"))
        return [f"{e['filename']}: {e['stack_trace']}" for e in answer["import_errors"]]

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Starts a run and returns its id."""
        body = {"logical_date": None, "conf": dict(conf)}
        return str(_checked_json(self._http.post(f"/api/v2/dags/{dag}/dagRuns", json=body))["dag_run_id"])

    def state(self, dag: str, run: str) -> str:
        """The run's state: queued, running, success or failed."""
        return str(_checked_json(self._http.get(f"/api/v2/dags/{dag}/dagRuns/{run}"))["state"])

    def runs(self, dag: str = "~", limit: int = 50) -> list[dict[str, Any]]:
        """The last runs, newest first."""
        answer = self._http.get(f"/api/v2/dags/{dag}/dagRuns", params={"limit": limit, "order_by": "-run_after"})
        return list(_checked_json(answer)["dag_runs"])

    def failed_tasks(self, dag: str, run: str) -> list[str]:
        """Names of the run's tasks that did not succeed."""
        answer = _checked_json(self._http.get(f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances"))
        return [t["task_id"] for t in answer["task_instances"] if t["state"] not in ("success", "skipped")]


def last_runs(settings: Settings, limit: int = 8) -> list[dict[str, Any]]:
    """The last runs of all DAGs, newest first. Raises `Mistake` while Airflow does not answer."""
    try:
        with AirflowApi(settings) as client:
            return client.runs(limit=limit)
    except httpx.HTTPError as error:
        raise Mistake(f"Airflow does not answer at {url(settings)}: {type(error).__name__}") from error


def _checked_json(answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        asked = f"{answer.request.method} {answer.request.url.path}"
        raise Mistake(f"Airflow answered {answer.status_code} to {asked}: {answer.text[:300]}")
    return dict(answer.json())
