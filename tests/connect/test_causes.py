import contextlib
import errno
import resource
import string
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qoescope.connect import checkpoints, readiness
from qoescope.connect.causes import KNOWN_CAUSES, LONGEST, Cause, Explained, explain

OPERATORS = Path(__file__).parents[2] / "docs" / "operators.md"
ANCHORS = sorted({anchor for _, _, anchor in KNOWN_CAUSES} | {checkpoints.RUNBOOK_ANCHOR, *readiness.ANCHORS})


def caught(work: Callable[[], object]) -> BaseException:
    """What it raises."""
    try:
        work()
    except Exception as error:  # noqa: BLE001  whatever it is
        return error
    raise AssertionError("it raised nothing")


def write_to_a_full_disk() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x")


@contextlib.contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_named_whoever_meets_it(tmp_path: Path) -> None:
    assert explain(caught(write_to_a_full_disk)).anchor == "disk-full"
    with largest_file(10):
        error = caught(lambda: (tmp_path / "cut").write_bytes(b"x" * 100))
    assert isinstance(error, OSError)
    assert error.errno == errno.EFBIG
    assert explain(error).anchor == "disk-full"


def test_postgres_that_does_not_listen_is_named() -> None:
    error = caught(lambda: psycopg.connect("host=127.0.0.1 port=1 dbname=x user=x", connect_timeout=2))
    assert explain(error).anchor == "postgres-does-not-answer"


def test_the_deepest_cause_comes_first_however_it_is_wrapped() -> None:
    def wrapped() -> None:
        try:
            try:
                write_to_a_full_disk()
            except OSError as error:
                raise ValueError("a batch") from error
        except ValueError as error:
            raise RuntimeError("a query") from error

    assert explain(caught(wrapped)) == Cause(
        "the disk is full: OSError: [Errno 28] No space left on device", "disk-full"
    )


PROXY = """\
[STREAM_FAILED] Query [id = 5d50, runId = d0e7] terminated with exception: \
[FOREACH_BATCH_USER_FUNCTION_ERROR] An error occurred in the user provided function in foreach batch sink. \
Reason: An exception was raised by the Python Proxy. Return Message: Traceback (most recent call last):
  File "/somewhere/py4j/clientserver.py", line 644, in _call_proxy
    return_value = getattr(self.pool[obj_id], method)(*params)
                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/somewhere/pyspark/sql/utils.py", line 163, in call
    self.func(DataFrame(jdf, wrapped_session_jdf), batch_id)
{raised}

 SQLSTATE: 39000 SQLSTATE: XXKST
=== Streaming Query ===
Identifier: events [id = 5d50, runId = d0e7]
Current Committed Offsets: {{}}
"""
TASK = """An error occurred while calling o88.collectToPython.
: org.apache.spark.SparkException: Job aborted due to stage failure: Task 0 in stage 1.0 failed 1 times, most recent \
failure: Lost task 0.0 in stage 1.0 (TID 1) (127.0.0.1 executor driver): org.apache.spark.api.python.PythonException: \
Traceback (most recent call last):
  File "/somewhere/worker.py", line 1, in main
    process()
{raised}

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:572)
Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/somewhere/worker.py", line 1, in main
    process()
{raised}

\tat org.apache.spark.api.python.BasePythonRunner$ReaderIterator.handlePythonException(PythonRunner.scala:572)
"""


@pytest.mark.parametrize("around", [PROXY, TASK, PROXY.replace("{raised}", TASK)], ids=["driver", "task", "both"])
def test_what_python_raised_is_the_reason_and_never_the_proxy_that_passed_it_on(around: str) -> None:
    raised = "OSError: [Errno 28] No space left on device: '/lake/events'"
    assert explain(around.format(raised=raised)) == Cause(f"the disk is full: {raised}", "disk-full")
    assert explain(around.format(raised="ValueError: no such day")) == Cause("ValueError: no such day")


@given(
    raised=st.text(string.printable, max_size=400),
    around=st.sampled_from([PROXY, TASK, "{raised}", "Caused by: {raised}"]),
)
def test_a_reason_is_always_one_line_without_a_trace(raised: str, around: str) -> None:
    for error in (around.replace("{raised}", raised), ValueError(around.replace("{raised}", raised))):
        sentence = explain(error).sentence
        assert sentence
        assert "\n" not in sentence
        assert len(sentence) <= LONGEST
        assert not sentence.startswith(("Traceback", "An exception was raised by the Python Proxy"))


def test_who_knows_the_cause_is_believed() -> None:
    cause = Cause("offsets/7 is empty", "a-checkpoint-is-damaged")
    assert explain(Explained(cause)) == cause
    assert str(Explained(cause)) == "offsets/7 is empty (see docs/operators.md#a-checkpoint-is-damaged)"


@pytest.mark.parametrize(
    ("line", "anchor"),
    [
        ("FATAL:  sorry, too many clients already", "postgres-has-no-connection-left"),
        (
            "remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "postgres-has-no-connection-left",
        ),
        ('password authentication failed for user "qoescope_writer"', "postgres-refuses-the-password"),
        ("cannot execute INSERT in a read-only transaction", "postgres-is-read-only"),
        ('could not extend file "base/5/16401": No space left on device', "disk-full"),
        ("server closed the connection unexpectedly", "postgres-does-not-answer"),
        (
            "Some data may have been lost: records in offset [3, 9) for topic partition beacons-2",
            "records-were-lost-before-they-were-read",
        ),
        (
            "Failed to read log file file:/var/checkpoints/events/offsets/2. Incomplete log file",
            "a-checkpoint-is-damaged",
        ),
        (
            "There are [0] sources in the checkpoint offsets and now there are [1] sources requested by the query",
            "a-checkpoint-is-damaged",
        ),
        (
            "org.apache.kafka.common.errors.TimeoutException: Timed out waiting for a node assignment. Call: "
            "describeTopics",
            "kafka-does-not-answer",
        ),
        ("PermissionError: [Errno 13] Permission denied: '/lake'", "access-is-denied"),
        (
            "Generic S3 error: error sending request for url (http://127.0.0.1:9/lake)",
            "the-lakes-store-does-not-answer",
        ),
    ],
)
def test_known_causes_are_told_by_their_words(line: str, anchor: str) -> None:
    assert explain(line).anchor == anchor


@pytest.mark.parametrize("anchor", ANCHORS)
def test_the_runbook_has_a_section_for_each_known_cause(anchor: str) -> None:
    headings = [line.lstrip("# ") for line in OPERATORS.read_text().splitlines() if line.startswith("#")]
    anchors = {"".join(c for c in h.lower().replace(" ", "-") if c.isalnum() or c == "-") for h in headings}
    assert anchor in anchors


def test_a_missing_permission_is_named() -> None:
    error = caught(lambda: Path("/proc/sys/kernel/ostype").write_text("x"))  # even root may not
    assert explain(error).anchor == "access-is-denied"


LOST = """An exception was raised by the Python Proxy. Return Message: Traceback (most recent call last):
  File "clientserver.py", line 644, in _call_proxy
    return_value = getattr(self.pool[obj_id], method)(*params)
py4j.protocol.Py4JJavaError: An error occurred while calling o1243.collectToPython.
: org.apache.spark.sql.kafka010.KafkaIllegalStateException: Some data may have been lost because they are not available;
either the data was aged out by Kafka or the topic may have been deleted before all the data in the
topic was processed.
Reason: Could not read records in offset [2189, 2193) for topic partition beacons-1
with consumer group spark-kafka-source-f60bb50d-d984--1093372736-executor.
	at org.apache.spark.sql.errors.QueryExecutionErrors.java:44
Caused by: org.apache.kafka.clients.consumer.OffsetOutOfRangeException: Fetch position is out of range for partition
	... 34 more


=== Streaming Query ===
Identifier: events
"""


def test_a_reason_in_the_middle_of_a_trace_is_found() -> None:
    cause = explain(LOST)
    assert cause.sentence.startswith("beacons partition 1 has lost records among offsets 2189 to 2192 ")
    assert cause.anchor == "records-were-lost-before-they-were-read"


def test_what_java_raised_is_told_where_nothing_knows_it() -> None:
    unknown = LOST.replace("Could not read records in offset", "Nobody knows")
    assert explain(unknown).sentence.startswith("KafkaIllegalStateException: Some data may have been lost")
