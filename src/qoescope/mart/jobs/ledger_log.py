"""The ledger's books of the log: records read, batches booked, dead letters stored."""

from datetime import UTC, datetime, timedelta

from qoescope.catalog.operations import DEAD_LETTERS
from qoescope.catalog.tables import EVENTS
from qoescope.catalog.topics import BEACONS_TOPIC, DEAD_LETTERS_TOPIC
from qoescope.connect import kafka, topic_history
from qoescope.connect.kafka import TopicDescription
from qoescope.connect.topic_history import TopicBreak, TopicHistory
from qoescope.mart import log_books
from qoescope.mart.jobs.cut import LedgerCut
from qoescope.mart.ledger_result import Difference, LedgerResult

RECENT_BATCHES = 500
"""So many of the lake's last commits are compared with the booked batches."""
LETTERS_DAYS = 29
"""Dead letters of so many days must be stored; older ones may be past their retention."""


def compare_log(cut: LedgerCut, result: LedgerResult) -> None:
    """Compares each partition that was ever read or exists now."""
    there, known = cut.logs[BEACONS_TOPIC.name], cut.history[BEACONS_TOPIC.name]
    broken = topic_history.compare(known, there)
    if broken is None:
        gone = known.gone_elsewhere(there.topic_id)
        differences = [
            Difference("log", f"partition {p} records answered in an earlier topic and gone unread", 0, lost)
            for p, lost in sorted(gone.items())
        ]
    else:
        differences = [_name_break("log", known, there, broken)]
    again = known.topic_id not in ("", there.topic_id)
    bounds = {} if again else {p: (a + known.shift(p), b + known.shift(p)) for p, (a, b) in there.bounds.items()}
    rows = cut.connection.execute(
        "select kafka_partition, first_offset, next_offset, records, lost from stream_offsets "
        "where stream = 'events' and topic = %s",
        (BEACONS_TOPIC.name,),
    ).fetchall()
    read = {number: (first, following, records, lost) for number, first, following, records, lost in rows}
    partitions = {}
    for number in sorted(bounds.keys() | read.keys()):
        low, end = bounds.get(number, (None, None))
        started, following, records, lost = read.get(number, (0, 0, 0, 0))
        answered = known.answered.get(number, 0) if broken is None else 0
        partitions[number] = log_books.PartitionBooks(low, end, started, following, records, lost, answered)
        result.lag[number] = max(0, (end or 0) - following)
    result.add_open("records to be read", sum(result.lag.values()))
    result.add("log", len(partitions), [*differences, *log_books.compare_log(partitions)])
    _compare_letters(cut, result)


def _name_break(book: str, known: TopicHistory, there: TopicDescription, broken: TopicBreak) -> Difference:
    """The difference of another topic: the answered records that are gone, or what shows that it is another one."""
    if lost := sum(broken.lost.values()):
        return Difference(book, f"{broken.why}: answered records gone unread", 0, lost)
    if known.topic_id != there.topic_id:
        return Difference(book, broken.why, f"topic {known.topic_id}", f"topic {there.topic_id or 'none'}")
    read, ends = (sum(ends.values()) for ends in (known.next_offsets, {p: b for p, (_, b) in there.bounds.items()}))
    return Difference(book, broken.why, f"{read} records or more", f"{ends}")


def _compare_letters(cut: LedgerCut, result: LedgerResult) -> None:
    """Every offset of the dead letters' topic that was read must be a row, unless it was erased."""
    there, known = cut.logs[DEAD_LETTERS_TOPIC.name], cut.history[DEAD_LETTERS_TOPIC.name]
    if (broken := topic_history.compare(known, there)) is not None:
        result.add("letters", 0, [_name_break("letters", known, there, broken)])
    if known.topic_id not in ("", there.topic_id):
        return
    since = datetime.now(UTC) - timedelta(days=LETTERS_DAYS)
    young = kafka.offsets_since(cut.settings, DEAD_LETTERS_TOPIC.name, since)
    differences, compared = [], 0
    for partition, first in young.items():
        start, following = first + known.shift(partition), known.next_offsets.get(partition, 0)
        rows = cut.connection.execute(
            "select n from generate_series(%s::bigint, %s::bigint - 1) n where not exists (select from dead_letters "
            "where kafka_partition = %s and kafka_offset = n) and not exists (select from erased_letters "
            "where kafka_partition = %s and kafka_offset = n) order by 1",
            (start, following, partition, partition),
        ).fetchall()
        compared += max(0, following - start)
        differences += [
            Difference("letters", f"{DEAD_LETTERS.name} partition {partition} offset {n}", "a row", "no row")
            for (n,) in rows
        ]
    result.add("letters", compared, differences)


def find_batches(cut: LedgerCut) -> list[tuple[str, int]]:
    """(query, number) of the last batches that committed events, from the table's log."""
    since = (datetime.now(UTC) - timedelta(days=LETTERS_DAYS)).timestamp() * 1000
    events = cut.tables[EVENTS.name]
    return [
        (app.removeprefix("events:"), int(commit["batch"]))
        for commit in events.history(RECENT_BATCHES)  # it also tells what was committed since the table was opened
        if (app := str(commit.get("app", ""))).startswith("events:")
        and commit.get("timestamp", 0) > since
        and int(commit["batch"]) <= (events.transaction_version(app) or 0)
    ]


def booked_batches(cut: LedgerCut, written: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """The batches of these queries that are booked."""
    rows = cut.connection.execute(
        "select query, batch from epochs where query = any(%s)", (sorted({query for query, _ in written}),)
    )
    return [(query, batch) for query, batch in rows.fetchall()]
