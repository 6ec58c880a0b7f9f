"""Replays dead letters: judges them again and writes to the log what is accepted this time."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from qoescope.catalog.errors import Mistake
from qoescope.compile.forgotten import ForgottenViewers
from qoescope.connect import kafka, letters, postgres, viewer_keys
from qoescope.connect.properties import require_property
from qoescope.ingest import keys, records, rejudging
from qoescope.ingest.forgotten import without_forgotten
from qoescope.ingest.jobs.manage_keys import merged_snapshot, viewer_secret
from qoescope.ingest.limits import Limits
from qoescope.settings import Settings


def replay_letters(
    settings: Settings,
    property_id: str,
    only: Sequence[letters.LetterId] = (),
    reason: str = "",
    *,
    dry_run: bool = False,
    report: Callable[[rejudging.Replayed], object] = lambda _: None,
) -> rejudging.Replayed:
    """Judges the property's dead letters again and writes what is accepted of them to the log; blocks.

    `only` limits it to these letters, `reason` to one reason; `report` is called with the totals after each batch of
    letters. A letter is marked once Kafka has it. Replaying one twice adds nothing: the lake knows its events. Raises
    `UnknownName` for an unknown property, and `Mistake` when Kafka is away; what it acknowledged until then is marked.
    """
    known, secret = keys.Keyring(merged_snapshot(settings)), viewer_secret(settings)
    limits = Limits(**{name: getattr(settings, name) for name in Limits.__slots__})
    totals, log = rejudging.Replayed(), kafka.RecordProducer(settings)
    forgotten = ForgottenViewers(viewer_keys.read(settings), known.forgotten)
    with postgres.connect(settings, "writer") as connection:
        require_property(connection, property_id)
        for batch in letters.read_waiting(connection, property_id, only, reason):
            now = datetime.now(UTC)
            again = [rejudging.rejudge_letter(one, known, int(now.timestamp() * 1000), secret, limits) for one in batch]
            totals.count(again)
            report(totals)
            if dry_run:
                continue
            outgoing = [without_forgotten(one.outgoing, forgotten) for one in again]
            acknowledged = _send(log, outgoing, settings.kafka_delivery_ms / 1000 + 1)
            ids = [(one["kafka_partition"], one["kafka_offset"]) for one in batch]
            letters.mark(connection, [one for one, done in zip(ids, acknowledged, strict=True) if done], now)
            lost = sum(map(bool, outgoing)) - sum(acknowledged)
            if lost:
                raise Mistake(f"Kafka did not acknowledge {lost} of the letters: replay again when it is back")
    return totals


def _send(log: kafka.RecordProducer, groups: Sequence[Sequence[records.Outgoing]], within_s: float) -> list[bool]:
    """Sends the records; returns, for each group, whether it had records and Kafka has acknowledged them all."""
    missing = [len(group) for group in groups]

    def on_delivery(number: int, error: object | None, _: object) -> None:
        missing[number] -= error is None

    for number, group in enumerate(groups):
        for record in group:
            log.send(record.topic, record.value, partial(on_delivery, number), record.key)
    log.flush(within_s)
    return [bool(group) and not missing[number] for number, group in enumerate(groups)]
