import socket
from pathlib import Path

import pytest

from qoescope.stack import processes
from qoescope.stack.children import describe_end

MANY = 500


def test_a_port_that_is_taken_is_replaced_by_a_free_one() -> None:
    with processes.reserve_ports(0) as (port,):
        with socket.create_server(("127.0.0.1", port)), processes.reserve_ports(port, port) as others:
            assert len({port, *others}) == 3
        with processes.reserve_ports(port) as found:
            assert found != [port]
    with processes.reserve_ports(port) as found:
        assert found == [port]


def test_a_port_whose_server_was_just_left_is_given_again() -> None:
    """What a closed connection leaves behind, TIME_WAIT, keeps nobody from it."""
    with processes.reserve_ports(0) as (port,), socket.create_server(("127.0.0.1", port)) as server:
        asking = socket.create_connection(("127.0.0.1", port))
        answering, _ = server.accept()
        answering.close()
        assert asking.recv(1) == b""
        asking.close()
    with processes.reserve_ports(port) as found, socket.create_server(("127.0.0.1", port)):
        assert found == [port]


def test_a_port_is_held_for_its_server_and_handed_out_to_nobody_else() -> None:
    with processes.reserve_ports(0) as (port,):
        for _ in range(2):  # started, and started again
            with socket.create_server(("127.0.0.1", port)):
                assert processes.is_listening(port)
            assert not processes.is_listening(port)
        with processes.reserve_ports(*[0] * MANY) as others:
            assert len({port, *others}) == MANY + 1


@pytest.mark.parametrize(
    ("code", "says", "why"),
    [
        (1, "INFO up\nERROR Halting because of java.io.IOException: No space left on device\nINFO down\n",
         "exit 1: the disk is full: "),
        (1, "ERROR java.lang.InternalError: a fault occurred in a recent unsafe memory access operation\n"
         "\tat kafka.Kafka.main(Kafka.scala)\n", "exit 1: the disk is full, or broken: "),
        (1, "what is odd\n\tat odd.Thing.main(Odd.scala)\n", "exit 1: what is odd"),
        (2, "starts\nqoescope: port 8470 of 127.0.0.1 is taken\n", "exit 2: qoescope: port 8470 of 127.0.0.1 is taken"),
        (0, "starts\nstopped\n", "exit 0"),
        (-9, "starts\n", "killed by SIGKILL"),
        (1, "", "exit 1"),
    ],
)  # fmt: skip
def test_an_end_is_told_with_the_last_known_cause_or_the_last_words(
    tmp_path: Path, code: int, says: str, why: str
) -> None:
    log = tmp_path / "part.log"
    before = "an earlier end: No space left on device\n"
    log.write_text(before + says)
    said = describe_end(code, log, len(before))
    assert said.startswith(why)
    assert said == why or said.endswith("(see docs/operators.md#disk-full)")
    assert describe_end(1, tmp_path / "none", 0) == "exit 1"
