"""Explains a failure in one line: its deepest known cause, and the section of the runbook about it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

RUNBOOK = "docs/operators.md"
LONGEST = 300
DEEPEST = 20
"""How many causes of causes are followed."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A reason in one line, and the runbook's section about it; empty where there is none."""

    sentence: str
    anchor: str = ""

    def __str__(self) -> str:
        """A line for logs."""
        return f"{self.sentence} (see {RUNBOOK}#{self.anchor})" if self.anchor else self.sentence


class Explained(Exception):
    """A failure whose cause is known where it is raised."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(str(cause))
        self.cause = cause


KNOWN_CAUSES = (
    (
        r"could not (?:extend|write|create) (?:to )?(?:file|block)|\[53100\]|DiskFull",
        "the disk of Postgres is full: {text}",
        "disk-full",
    ),
    (
        r"No space left on device|\[Errno 28\]|disk quota exceeded|file (?:size limit exceeded|too large)|\[Errno 27\]",
        "the disk is full: {text}",
        "disk-full",
    ),
    (r"fault occurred in an? (?:recent )?unsafe memory access", "the disk is full, or broken: {text}", "disk-full"),
    (r"read-only transaction|\[25006\]", "Postgres is read-only: {text}", "postgres-is-read-only"),
    (
        r"too many (?:clients|connections)|connection slots are reserved|\[53300\]",
        "Postgres has no connection left: {text}",
        "postgres-has-no-connection-left",
    ),
    (
        r"password authentication failed|no password supplied|\[28P01\]",
        "Postgres refuses the password: {text}",
        "postgres-refuses-the-password",
    ),
    (
        r"connection to server at|server closed the connection|connection is lost|terminating connection|\[57P0\d\]|"
        r"the database system is|consuming input failed|couldn't get a connection|connection is closed|"
        r"connection is bad|connection timeout expired|Postgres at \S+ has not answered",
        "Postgres does not answer: {text}",
        "postgres-does-not-answer",
    ),
    (
        r"records in offset \[(?P<first>\d+), (?P<end>\d+)\) for topic partition (?P<topic>\S+)-(?P<partition>\d+)",
        "{topic} partition {partition} has lost records among offsets {first} to {last} before they were read: "
        "QOESCOPE_SKIP_LOST_RECORDS=true goes on without them and books them as lost",
        "records-were-lost-before-they-were-read",
    ),
    (
        r"Partition (?P<partition>\S+)'s offset was changed from (?P<first>\d+) to (?P<end>\d+)|"
        r"partitions? (?:are|is|were|was)? ?(?:gone|missing|deleted)|topic was deleted",
        "the topic was created anew or has lost partitions: {text}",
        "the-topic-was-created-anew",
    ),
    (
        r"INVALID_LOG_VERSION|UnsupportedLogVersion",
        "the checkpoint was written by another version of Spark: {text}",
        "a-checkpoint-is-damaged",
    ),
    (
        r"Incomplete log file|MALFORMED_LOG_FILE|Failed to read log file|Checksum ?(?:error|Exception)|"
        r"sources in the checkpoint offsets|JsonEOFException|No content to map due to end-of-input",
        "the checkpoint is damaged: {text}",
        "a-checkpoint-is-damaged",
    ),
    (
        r"TimeoutException.*(?:partition|topic|node|metadata|describeTopics|listOffsets)|UnknownTopicOrPartition|"
        r"_TRANSPORT|_ALL_BROKERS_DOWN|_TIMED_OUT|Failed to get metadata|no Kafka at|brokers? (?:are|is) down|"
        r"Timed out waiting for a node assignment|has not acknowledged",
        "Kafka does not answer: {text}",
        "kafka-does-not-answer",
    ),
    (
        r"Connection refused|Name or service not known|nodename nor servname|UnknownHostException|"
        r"NoRouteToHost|error sending request|Generic S3 error|dispatch failure|SdkClientException",
        "the lake's store does not answer: {text}",
        "the-lakes-store-does-not-answer",
    ),
    (
        r"Permission denied|\[Errno 13\]|AccessDenied|AccessControlException|Operation not permitted|\[Errno 1\]|"
        r"Read-only file system|\[Errno 30\]",
        "access is denied: {text}",
        "access-is-denied",
    ),
    (r"OutOfMemoryError|MemoryError|Cannot allocate memory", "memory is used up: {text}", "memory-is-used-up"),
)
"""(pattern in an error's line, sentence, the runbook's anchor). The first match of the deepest line counts."""

_PATTERNS = tuple((re.compile(shows, re.IGNORECASE), says, anchor) for shows, says, anchor in KNOWN_CAUSES)
_TRACEBACK = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t|].*\n|\n)*(?P<last>[\w.]+.*(?:\n: .*)?)")
_CAUSED = re.compile(r"^\s*Caused by: (?P<line>.*)$", re.MULTILINE)
_WRAPPED = re.compile(
    r"^\[[A-Z_.]+\] Query \[.*?\] terminated with exception: |"
    r"^(?:py4j\.protocol\.)?(?:Py4JJavaError: )?An error occurred while calling \S+\s*:? ?|"
    r"^\[FOREACH_BATCH_USER_FUNCTION_ERROR\].*?Reason: |\s*SQLSTATE: \w+"
)
_NOISE = ("An exception was raised by the Python Proxy", "Traceback (most recent call last)")
_JAVA_PACKAGE = re.compile(r"^(?:[a-z_]\w*\.)+(?=[A-Z])")


def explain(error: BaseException | str) -> Cause:
    """Why it failed: the deepest cause that the runbook knows, else the deepest one."""
    if isinstance(error, Explained):
        return error.cause
    lines = [line for line in map(_trim, _lines(error)) if line and not line.startswith(_NOISE)]
    for line in lines:
        for pattern, says, anchor in _PATTERNS:
            if match := pattern.search(line):
                return Cause(_format(says, match, line), anchor)
    return Cause(lines[0] if lines else "no reason was given")


def _format(says: str, match: re.Match[str], line: str) -> str:
    groups = {name: value or "" for name, value in match.groupdict().items()}
    last = str(int(groups["end"]) - 1) if groups.get("end") else ""
    return says.format_map({"text": line, "last": last, **groups})[:LONGEST]


def _lines(error: BaseException | str) -> Iterator[str]:
    """Lines that may name the cause, the deepest first."""
    if isinstance(error, str):
        yield from _lines_of_text(error)
        return
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and len(chain) < DEEPEST and following not in chain:
        chain.append(following)
        following = following.__cause__ or (None if following.__suppress_context__ else following.__context__)
    for one in reversed(chain):
        if isinstance(one, Explained):
            yield one.cause.sentence
        elif isinstance(one, BaseExceptionGroup):
            for inner in one.exceptions:
                yield from _lines(inner)
        text = str(one)
        if "\n" in text or type(one).__module__.startswith(("py4j", "pyspark")):
            yield from _lines_of_text(text)
        else:
            yield f"{type(one).__name__}: {text}{_state(one)}" if text else type(one).__name__


def _state(error: BaseException) -> str:
    """The error's SQLSTATE, where it has one."""
    code: str | None = getattr(error, "sqlstate", None)
    return f" [{code}]" if code else ""


def _lines_of_text(text: str) -> Iterator[str]:
    """Lines of mixed Java and Python traces, the innermost exception first."""
    yield from reversed([match["last"] for match in _TRACEBACK.finditer(text)])
    yield from reversed([match["line"] for match in _CAUSED.finditer(text)])
    head = text.split("=== Streaming Query ===", 1)[0].strip()
    yield " ".join(head.splitlines()[:2])
    yield from (line for line in head.splitlines() if not line.lstrip().startswith(("at ", "File ", "...")))


def _trim(line: str) -> str:
    """The line without wrappers that every error of its kind has."""
    bare = _WRAPPED.sub("", line.strip())
    bare = _JAVA_PACKAGE.sub("", _WRAPPED.sub("", bare).strip())
    return "".join(letter if letter.isprintable() else " " for letter in bare)[:LONGEST].strip()
