"""Retrying: pauses double, are never below what the collector asks for, and unreadable headers ask for nothing."""

import pytest

from qoescope.catalog.errors import Mistake
from qoescope.client.retrying import LONGEST_PAUSE_S, LONGEST_RETRY_AFTER_S, pause_s, retry_after_s
from qoescope.client.urls import beacons_url


@pytest.mark.parametrize(
    ("attempts", "asked_s", "least"),
    [
        (1, None, 0.1),
        (3, None, 0.4),
        (50, None, LONGEST_PAUSE_S),
        (1, 7.0, 7.0),
        (1, 9e9, LONGEST_RETRY_AFTER_S),
        (2, -5.0, 0.2),
    ],
)
def test_a_pause_is_its_least_or_up_to_a_quarter_longer(attempts: int, asked_s: float | None, least: float) -> None:
    assert least <= pause_s(attempts, asked_s) <= least * 1.25


def test_retry_after_is_seconds_or_a_date() -> None:
    assert [retry_after_s(value) for value in (None, "", "12", "soon")] == [None, None, 12.0, None]
    past = retry_after_s("Sun, 06 Nov 1994 08:49:37 GMT")
    assert past is not None
    assert past < 0


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:9", "ftp://collector", "http://", "http://collector:door", "https://:8460"]
)
def test_what_is_not_a_url_of_http_is_said_so(url: str) -> None:
    with pytest.raises(Mistake, match="must look like"):
        beacons_url(url)


def test_beacons_go_below_the_path_of_the_url() -> None:
    assert beacons_url("https://qoe.example/eu/") == "https://qoe.example/eu/v1/beacons"
