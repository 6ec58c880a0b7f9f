"""Settings: what differs between a laptop, CI and production; `QOESCOPE_BROKERS=…` overrides `brokers`."""

from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Read once, at the door, and passed by hand."""

    model_config = SettingsConfigDict(env_prefix="QOESCOPE_", frozen=True)

    var: Path = Path("var")
    """Folder of all state: data, logs, secrets."""
    writer_dsn: SecretStr = SecretStr("")
    """Postgres as the role that writes; empty means the stack's own server."""
    reader_dsn: SecretStr = SecretStr("")
    """Postgres as the read-only role; empty means the stack's own server."""

    # The log
    brokers: str = "127.0.0.1:9092"
    """Kafka's bootstrap list."""
    kafka_options: dict[str, str] = {}
    """More of the client's options, such as SASL_SSL's."""
    kafka_delivery_ms: int = 10_000
    """How long a record may wait for its acknowledgement."""

    # The door
    door_address: str = "127.0.0.1"
    """Where the collector listens; another address than loopback needs `door_tls_*` or `door_proxy`."""
    door_port: int = 8400
    door_workers: int = 1
    """Processes; a key's budget is divided among them."""
    door_tls_certificate: Path | None = None
    door_tls_key: Path | None = None
    door_proxy: str = ""
    """Name of the proxy that speaks TLS in front of the door."""
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
    door_requests: int = 256
    """Requests in flight in one worker."""
    door_unacknowledged_bytes: int = 64 * 1024 * 1024
    """Bytes in one worker that Kafka has not acknowledged."""
    body_timeout_s: float = 15.0
    header_timeout_s: float = 10.0
    door_stop_s: float = 15.0
    crash_at: str = ""
    """A crash point, such as `door.after_ack`: the process ends there, once, as `kill -9` would. For tests."""
