"""What a look calls a cause while an incident goes on: the incident's name, unless more speaks for another."""

from itertools import product

import pyarrow as pa
import pytest

from qoescope.catalog.watch import BY_METRIC
from qoescope.monitor.findings import Watcher
from qoescope.monitor.history import History, span_of
from qoescope.monitor.kpis import live_kpis

DIMS = ("app_version", "cdn", "network_type")
COLUMNS = ("plays_ended", "play_failures")
BROAD = {"app_version": "v1", "cdn": "c1"}
NARROW = BROAD | {"network_type": "wifi"}
NOW = 20


def hour(broken: bool) -> pa.Table:
    """24 leaves; plays over wifi with v1 from c1 break off while `broken`, those by cable never did."""
    rows = []
    for app, cdn, network in product(("v1", "v2", "v3", "v4"), ("c1", "c2", "c3"), ("wifi", "ethernet")):
        here = app == "v1" and cdn == "c1"
        plays = 120 if network == "wifi" else 60
        bad = (44 if network == "wifi" else 1) if here and broken else 0 if here and network == "ethernet" else 1
        rows.append((app, cdn, network, plays, bad))
    return pa.table([pa.array(column) for column in zip(*rows, strict=True)], names=[*DIMS, *COLUMNS])


@pytest.mark.parametrize(("votes", "name"), [(20.0, NARROW), (60.0, BROAD)])
def test_an_incident_keeps_its_name_only_against_what_speaks_less(votes: float, name: dict[str, str]) -> None:
    history = History(DIMS, COLUMNS)
    for step in range(NOW + 1):
        history.put(step, hour(broken=step == NOW))
    watcher = Watcher(history, live_kpis([BY_METRIC["play_failure_ratio"]], COLUMNS))
    (found,) = watcher.findings(range(NOW, NOW + 1), range(NOW), [span_of(NOW, NOW + 1, BROAD, votes)], burns=False)
    assert dict(found.slice) == name
