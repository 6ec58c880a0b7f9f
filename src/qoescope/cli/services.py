"""The stack as a whole, the demo, and each service alone."""

from typing import TYPE_CHECKING, Annotated

import typer

from qoescope.cli.repairing import repair
from qoescope.cli.terminal import AsJson, format_cell, log_to_stderr, print_json, print_line, print_table, settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from qoescope.serve.store.outside import Progress
    from qoescope.settings import Settings


def register(app: typer.Typer) -> None:
    """Adds the commands of this module."""
    for command in (demo, up, status, repair, collect, stream, console, monitor):
        app.command()(command)


def demo(
    once: Annotated[bool, typer.Option("--once", help="Stop when all of it held; exit 1 when not.")] = False,
    rate: Annotated[float, typer.Option(help="Events a second.")] = 5000,
    seconds: Annotated[float, typer.Option(help="How long to send traffic.")] = 75,
    speed: Annotated[float, typer.Option(help="How much faster than life the simulated viewers live.")] = 48,
) -> None:
    """Start every part, break things, show what was found."""
    from qoescope.stack.demo import run

    raise typer.Exit(run(settings(), once=once, rate=rate, seconds=seconds, speed=speed))


def up(
    only: Annotated[str, typer.Option(help="Parts to start, separated by commas; all by default.")] = "",
) -> None:
    """Start every part and keep it running until Ctrl-C."""
    from qoescope.stack import up

    up.run(settings(), [name for name in only.split(",") if name])


def status(as_json: AsJson = False) -> None:
    """Show each part, its port, how far behind, how fresh."""
    from qoescope.stack import up

    report = up.status(settings())
    if as_json:
        print_json(report)
    elif not report["running"]:
        print_line("nothing runs here: `qoescope up` or `qoescope demo` starts it")
    else:
        print_table(
            [part | {name: str(part[name] or "") for name in ("port", "pid")} for part in report["parts"]], "parts"
        )
        for name in ("loops", "streams", "freshness"):
            if report[name]:
                print_table(report[name], name)
        for name, problem in report["problems"].items():
            print_line(problem if name.startswith("health") else f"{name}: {format_cell(problem)}")
    raise typer.Exit(0 if report["healthy"] else 1)


def collect() -> None:
    """Take beacons over HTTP and put them into Kafka."""
    from qoescope.ingest.jobs import collect

    collect.serve(_alone())


def stream() -> None:
    """Run the streams: Kafka to the lake, and on to the marts."""
    from qoescope.stack import streaming

    streaming.run(_alone())


def console() -> None:
    """Serve the console and the API."""
    from qoescope.serve.jobs.serve import serve
    from qoescope.serve.store.outside import Outside
    from qoescope.stack import airflow

    def replay(here: "Settings", property_id: str, reason: str, report: "Callable[[Progress], None]") -> object:
        from qoescope.ingest.jobs.replay import replay_letters

        return replay_letters(here, property_id, reason=reason, report=report)

    serve(_alone(), Outside(replay, airflow.last_runs))


def monitor(
    send_test: Annotated[
        bool, typer.Option("--send-test", help="Send a test to every channel, say what became of it, and end.")
    ] = False,
) -> None:
    """Look for incidents, every minute."""
    from qoescope.monitor.jobs import send_notifications
    from qoescope.stack import watching

    if send_test:
        report = send_notifications.send_test(settings(), "all properties", "the command line")
        for each in report:
            print_line(each)
        raise typer.Exit(0 if all(each.endswith(": sent") for each in report) else 1)
    watching.run(_alone())


def _alone() -> "Settings":
    """The settings of a service; secures its folder where no stack does."""
    from qoescope.stack import private, state

    log_to_stderr()
    here = settings()
    if state.read(here) is None:
        private.secure(here.var.resolve())
    return here
