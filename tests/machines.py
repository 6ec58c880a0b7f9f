"""Machines of a cluster, as processes of this one: three brokers that copy, a Spark master and two workers."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

import pyspark
from whole_stack import Stack

from qoescope.settings import Settings
from qoescope.stack import kafka, processes
from qoescope.stack.children import Children, Part

PROPERTIES = Path(__file__).parents[1] / "deploy" / "kafka" / "server.properties"
HOST = "127.0.0.1"
CORES = 2
"""Of each worker."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Where each of them listens."""

    brokers: tuple[int, ...]
    controllers: tuple[int, ...]
    master: int
    board: int
    """The master's own page, which says who is there."""

    @property
    def bootstrap(self) -> str:
        """Kafka's bootstrap list."""
        return ",".join(f"{HOST}:{port}" for port in self.brokers)

    @property
    def spark(self) -> str:
        """Spark's master."""
        return f"spark://{HOST}:{self.master}"


@dataclass(frozen=True, slots=True)
class Cluster:
    """Our parts, and the machines that they run on."""

    stack: Stack
    machines: Children
    where: Ports


@contextmanager
def ports() -> Iterator[Ports]:
    """Free ones, held for the machines as long as they may be started there again."""
    with processes.reserve_ports(*[0] * 8) as found:
        yield Ports(tuple(found[:3]), tuple(found[3:6]), *found[6:])


def parts(settings: Settings, where: Ports) -> list[Part]:
    """All machines of the cluster, each a process that is started again when it dies."""
    return [*_brokers(settings, where), *_spark(settings, where)]


def _brokers(settings: Settings, where: Ports) -> list[Part]:
    folder = kafka.folder(settings)
    folder.mkdir(parents=True)
    (folder / "log4j2.properties").write_text(kafka.LOGGING)
    voters = ",".join(f"{node}@{HOST}:{port}" for node, port in enumerate(where.controllers, 1))
    cluster = kafka.cluster_id()
    made = []
    for node, (port, controller) in enumerate(zip(where.brokers, where.controllers, strict=True), 1):
        properties = folder / f"server{node}.properties"
        properties.write_text(
            Template(PROPERTIES.read_text()).substitute(
                node=node, host=HOST, port=port, controller=controller, voters=voters, data=folder / f"data{node}"
            )
        )
        tool = [
            *kafka.java_command(settings),
            "kafka.tools.StorageTool",
            "format",
            "-t",
            cluster,
            "-c",
            str(properties),
        ]
        subprocess.run(tool, check=True, capture_output=True, timeout=60)
        command = [*kafka.java_command(settings), "kafka.Kafka", str(properties)]
        made.append(Part(f"broker{node}", command, lambda port=port: processes.is_listening(port), stop_s=30))  # type: ignore[misc]
    return made


def _spark(settings: Settings, where: Ports) -> list[Part]:
    program = str(Path(pyspark.__file__).parent / "bin" / "spark-class")
    environment = {"SPARK_LOCAL_IP": HOST, "SPARK_DAEMON_MEMORY": "256m", "SPARK_NO_DAEMONIZE": "1"}

    def started(name: str, *options: str) -> list[str]:
        return [program, f"org.apache.spark.deploy.{name}", "--host", HOST, *options]

    def worker(number: int) -> Part:
        name, folder = f"worker{number}", settings.var / f"worker{number}"
        command = started(
            "worker.Worker", "--webui-port", "0", "--cores", str(CORES), "--memory", "1500m",
            "--work-dir", str(folder), where.spark,
        )  # fmt: skip
        return Part(name, command, lambda: alive(where) >= number, ("master",), environment=environment)

    options = ("--port", str(where.master), "--webui-port", str(where.board))
    master = Part("master", started("master.Master", *options), lambda: alive(where) >= 0, environment=environment)
    return [master, worker(1), worker(2)]


def _board(where: Ports) -> dict[str, object]:
    return json.loads(processes.get_body(where.board, "/json/") or b"{}")


def alive(where: Ports) -> int:
    """How many workers the master knows to be there; -1 without a master."""
    return int(str(_board(where).get("aliveworkers", -1)))


def busy(where: Ports) -> int:
    """Cores of the cluster that the stream's application has."""
    return int(str(_board(where).get("coresused", 0)))
