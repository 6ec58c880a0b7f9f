"""Settings: what differs between a laptop, CI and production; `QOESCOPE_BROKERS=…` overrides `brokers`."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

ROOT = Path(__file__).resolve().parents[2]
"""The checkout."""
Port = Annotated[int, Field(ge=0, le=65_535)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseSettings):
    """Read once, at the door, and passed by hand."""

    model_config = SettingsConfigDict(env_prefix="QOESCOPE_", frozen=True)

    var: Path = Path("var")
    """Folder of all state: data, logs, secrets."""
    owner_dsn: SecretStr = SecretStr("")
    """Postgres as the role that owns the tables, for DDL only; empty means the stack's own server."""
    writer_dsn: SecretStr = SecretStr("")
    """Postgres as the role that writes; empty means the stack's own server."""
    reader_dsn: SecretStr = SecretStr("")
    """Postgres as the read-only role; empty means the stack's own server."""

    postgres_connect_s: float = 5.0
    """How long a connection to Postgres may take to be made, in whole seconds from 2."""
    postgres_question_s: float = 10.0
    """How long a question of the console, the API or the command line may take."""
    postgres_stream_s: float = 30.0
    """How long one statement of a stream, the monitor or the collector may take, before what it belonged to is tried
    again, with twice the time each time up to a batch job's."""
    postgres_batch_s: float = 120.0
    """How long one statement of a batch job may take."""
    silent_s: float = 5.0
    """How much longer than its time-out Postgres may stay silent, and how long the network may acknowledge nothing,
    before a connection is given up."""

    # The log
    brokers: str = "127.0.0.1:9492"
    """Kafka's bootstrap list."""
    kafka_options: dict[str, str] = {}
    """More of the client's options, such as SASL_SSL's."""
    kafka_delivery_ms: int = 10_000
    """How long a record may wait for its acknowledgement, and a connection to Kafka for an answer."""
    kafka_read_s: float = 30.0
    """How long the streams wait for records, or for what the brokers know, before the batch is tried again."""

    # The door
    door_address: str = "127.0.0.1"
    """Where the collector listens; another address than loopback needs `door_tls_*` or `door_proxy`."""
    door_port: Port = 8460
    door_workers: Count = 1
    """Processes; a key's budget is divided among them."""
    door_tls_certificate: Path | None = None
    door_tls_key: Path | None = None
    door_proxy: str = ""
    """Name of the proxy that speaks TLS in front of the door."""
    door_edge_headers: dict[str, str] = {}
    """Dimension → header by which the edge in front tells it, such as `{"country_code": "x-country", "isp": "x-isp"}`.

    Trusted where a session does not say it itself, so the edge must replace what clients send; empty trusts none."""
    door_keys: Path | None = None
    """The keys as a file; the default is `var/door/keys.json`."""
    door_refresh_s: float = 5.0
    """How often keys, properties and tombstones are read again."""
    body_bytes: int = 1024 * 1024
    """Largest body as sent."""
    inflated_bytes: int = 4 * 1024 * 1024
    """Largest body when inflated."""
    inflated_ratio: int = 100
    """How far gzip may inflate, after the first 64 KiB."""
    beacon_events: int = 2_000
    session_events: int = 20_000
    event_bytes: int = 32 * 1024
    text_bytes: int = 4 * 1024
    object_keys: int = 64
    nesting: int = 32
    ahead_ms: int = 300_000
    """How far a device's clock may be ahead of the collector's."""
    budget_events: float = 5_000
    """Events a second and key."""
    budget_bytes: float = 8 * 1024 * 1024
    """Bytes a second and key."""
    budget_burst_s: float = 10.0
    door_connections: int = 4_096
    """Connections in one worker; more are closed at once."""
    door_requests: int = 256
    """Requests in flight in one worker."""
    door_unacknowledged_bytes: int = 64 * 1024 * 1024
    """Bytes in one worker that Kafka has not acknowledged."""
    body_timeout_s: float = 15.0
    header_timeout_s: float = 10.0
    door_stop_s: float = 15.0
    crash_at: str = ""
    """Crash points, such as `door.after_ack`: the process ends there, once each, as `kill -9` would. For tests."""

    # The lake and its streams
    lake: str = ""
    """Where the lake is: a folder or an object store's URL; empty means `var/lake`."""
    lake_options: dict[str, str] = {}
    """What the object store wants to know, such as keys and endpoint."""
    lake_timeout_s: float = 30.0
    """How long one request to an object store may take, before it is sent again."""
    lake_buckets: Annotated[int, Field(ge=1, le=256)] = 8
    """Parts of a day by hash of the session, at most 256; fixed for the life of a lake."""
    checkpoints: str = ""
    """Where streams keep their place; empty means `var/checkpoints`."""
    spark_master: str = "local[4]"
    """Spark's master; here twice as many threads as cores, so that a small batch need not wait for a large one."""
    spark_memory: str = "2g"
    """The driver's heap; on one machine it is all of it."""
    spark_partitions: Count = 2
    """Shuffle partitions, fixed for the life of a stream's checkpoint."""
    spark_options: dict[str, str] = {}
    """More of Spark's options."""
    events_every_s: float = 1.5
    """How often the stream writes events; 0 for as often as it can."""
    sessions_every_s: float = 5.0
    """How often sessions that fell silent are measured, at most."""
    quality_every_s: float = 5.0
    """How often measured sessions are published, at most."""
    events_in_memory: int = 50_000
    """Events of closing sessions in memory at once, in each Python process; a session is never in two parts."""
    give_way_s: float = 60.0
    """For how long at most closed sessions wait while events come faster than they can be written."""
    batch_records: int = 80_000
    """Records of the log in one batch at most; a task reads 32 MB of them at once, however large they are."""
    session_gap_s: Count = 60
    """A session closes after this long without events."""
    late_after_days: int = 7
    """An event older than this when received is kept aside as late."""
    stream_port: Port = 8470
    """Where the streams answer `/livez`, `/readyz` and `/metrics`, on loopback; 0 for any free port."""
    stuck_s: float = 120.0
    """After so long with work and without a good batch, a stream is not ready."""
    least_free_bytes: int = 256 * 1024 * 1024
    """With less room on a disk that a part writes to, it is not ready."""
    new_checkpoint: bool = False
    """Allows a stream whose checkpoint is gone to begin a new one, also on a topic that was made again."""
    skip_lost_records: bool = False
    """Allows a stream to go on where the log has lost records that it has not read; they are booked as lost.

    So it does where the topic itself was deleted and made again, or is another cluster's."""

    # The stack on one machine; a port that is taken is replaced by a free one, 0 always is
    postgres_port: Port = 5842
    broker_port: Port = 9492
    airflow_port: Port = 8480
    broker_heap: str = "512m"
    """The broker's heap."""
    dags: Path = ROOT / "dags"
    """Folder of Airflow's DAGs."""
    jars: Path = ROOT / "jars"
    """Folder of the JVM's parts, which set-up makes: `broker` and `spark`."""

    # The console and the API
    console_address: str = "127.0.0.1"
    """Where they listen; another address than loopback needs `console_tls_*` or `console_proxy`."""
    console_port: Port = 8450
    console_tls_certificate: Path | None = None
    console_tls_key: Path | None = None
    console_proxy: str = ""
    """The proxy that speaks TLS in front of the console: its name, or its address or network.

    Named, it is believed who asks (`X-Forwarded-For`, `X-Forwarded-Host`); by an address, only from there."""
    console_body_timeout_s: float = 10.0
    """How long a request's body may take to arrive."""
    console_threads: Count = 8
    """Questions of the console that are worked on at once."""
    console_stop_s: float = 10.0
    questions_at_once: Count = 4
    """Questions of one person or token at the same time."""
    connection_wait_s: float = 5.0
    """How long a question waits for a free connection to Postgres, before it is a 503."""

    # The monitor
    monitor_every_s: float = 5.0
    """How often it asks whether another minute of data is complete."""
    monitor_port: Port = 8471
    """Where it answers `/livez`, `/readyz` and `/metrics`, on loopback; 0 for any free port."""
    webhook_url: str = ""
    """Where incidents are told; empty: nowhere."""
    webhook_secret: SecretStr = SecretStr("")
    """Key of the signature that the webhook's receiver checks."""
    slack_url: SecretStr = SecretStr("")
    """A Slack-compatible incoming webhook."""
    teams_url: SecretStr = SecretStr("")
    """Microsoft Teams: the URL of a workflow or incoming webhook that takes Adaptive Cards."""
    pagerduty_key: SecretStr = SecretStr("")
    """PagerDuty's integration key of a service (Events API v2)."""
    pagerduty_url: str = "https://events.pagerduty.com/v2/enqueue"
    """Where PagerDuty takes events; another one in the EU."""
    mail_to: str = ""
    """Address that incidents are mailed to."""
    mail_from: str = "qoescope@localhost"
    smtp_host: str = "127.0.0.1"
    smtp_port: Port = 25
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: bool = False
    """Whether the mail server is spoken to by STARTTLS."""
    airflow_timeout_s: float = 60.0
    """How long Airflow's API may take to answer."""
    tell_timeout_s: float = 10.0
    """How long a webhook or mail server may take to answer."""

    # How long it is kept; topics declare their own
    events_days: Count = 90
    live_days: Count = 28
    sessions_days: Count = 400
    marts_days: Count = 1_096


def environment(more: Mapping[str, str]) -> dict[str, str]:
    """This process' environment and `more`, for a child process."""
    return {**os.environ, **more}  # noqa: TID251
