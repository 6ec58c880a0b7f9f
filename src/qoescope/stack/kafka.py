"""Kafka: one broker of our own on loopback (KRaft), with the catalog's topics."""

import base64
import shutil
import subprocess
import uuid
from pathlib import Path

from qoescope.catalog.errors import Mistake
from qoescope.settings import Settings
from qoescope.stack import processes
from qoescope.stack.children import Part

PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
log.dirs={data}
num.recovery.threads.per.data.dir=2
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
log.retention.check.interval.ms={retention_check_ms}
"""
LOGGING = """rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p %c{1} %m%n
logger.server.name = kafka.server.KafkaRaftServer
logger.server.level = INFO
logger.logs.name = org.apache.kafka.storage.internals.log.LogManager
logger.logs.level = INFO
"""
RETENTION_CHECK_MS = 60_000


def part(settings: Settings) -> Part:
    """The broker as a part of the stack; its topics exist once it is set up."""
    port = settings.broker_port
    return Part(
        name="kafka",
        command=[*java_command(settings), "kafka.Kafka", str(folder(settings) / "server.properties")],
        ready=lambda: processes.is_listening(port),
        prepare=lambda: prepare(settings),
        set_up=lambda: set_up(settings),
        stop_s=30,
        port=port,
    )


def folder(settings: Settings) -> Path:
    """The folder of the broker's configuration and data."""
    return settings.var.resolve() / "kafka"


def java_command(settings: Settings) -> list[str]:
    """The command that starts Java with the broker's classes; raises `Mistake` without Java or Kafka."""
    program = shutil.which("java")
    jars = settings.jars.resolve() / "broker"
    if program is None:
        raise Mistake("no Java on PATH: Kafka and Spark need Java 17 or 21 (`make setup` says how to install it)")
    if not any(jars.glob("kafka_*.jar")):
        raise Mistake(f"no Kafka in {jars}: `make setup` puts it there")
    return [
        program,
        "-Xms128m",
        f"-Xmx{settings.broker_heap}",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        f"-Dlog4j2.configurationFile={folder(settings) / 'log4j2.properties'}",
        "-cp",
        f"{jars}/*",
    ]


def cluster_id() -> str:
    """A new cluster id in Kafka's format."""
    number = uuid.uuid4().int >> 1  # so it does not begin with a dash, which would be taken for an option
    return base64.urlsafe_b64encode(number.to_bytes(16)).rstrip(b"=").decode()


def prepare(settings: Settings) -> None:
    """Writes the broker's configuration, and formats its data folder on first use."""
    here = folder(settings)
    here.mkdir(parents=True, exist_ok=True)
    properties = here / "server.properties"
    with processes.reserve_ports(0) as (controller,):
        properties.write_text(
            PROPERTIES.format(
                port=settings.broker_port,
                controller=controller,
                data=here / "data",
                retention_check_ms=RETENTION_CHECK_MS,
            )
        )
    (here / "log4j2.properties").write_text(LOGGING)
    if (here / "data" / "meta.properties").exists():
        return
    done = subprocess.run(  # noqa: S603
        [*java_command(settings), "kafka.tools.StorageTool", "format", "-t", cluster_id(), "-c", str(properties)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise Mistake(f"Kafka could not be set up: {done.stderr.strip() or done.stdout.strip()}")


def set_up(settings: Settings) -> None:
    """Creates missing topics."""
    from qoescope.connect import kafka

    kafka.ensure_topics(settings)
