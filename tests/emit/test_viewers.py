"""Who presses play, where and on what: the choices depend on each other as they would."""

import numpy as np
import pytest

from qoescope.catalog import population as p
from qoescope.emit import slices, viewers
from qoescope.emit.measures import Measures
from qoescope.emit.scenario import Scenario
from qoescope.emit.simulation import Sessions

World = tuple[Scenario, Sessions, Measures]


def said(s: Sessions, name: str) -> np.ndarray:
    array, values = slices.DIMENSIONS[name]
    return np.array(values)[getattr(s.viewing, array).astype(np.int64)]


def test_device_types_have_their_shares(calm: World) -> None:
    device = said(calm[1], "device_type")
    for name, share in p.DEVICE_SHARES.items():
        assert (device == name).mean() == pytest.approx(share, abs=0.01)


def test_an_isp_serves_its_own_country_and_the_pop_lies_in_it(calm: World) -> None:
    own = {(c.code, isp.name) for c in p.COUNTRIES for isp in c.isps}
    countries = said(calm[1], "country_code")
    assert set(zip(countries, said(calm[1], "isp"), strict=True)) <= own
    assert all(pop.startswith(f"{country}-") for country, pop in zip(countries, said(calm[1], "cdn_pop"), strict=True))
    assert all(
        region.startswith(f"{country}-") for country, region in zip(countries, said(calm[1], "region"), strict=True)
    )


def test_every_country_network_and_provider_of_the_sample_is_there(calm: World) -> None:
    assert set(said(calm[1], "country_code")) == {"US", "BR", "IN", "GB", "FR", "DE", "MX", "JP", "KR"}
    assert set(said(calm[1], "network_type")) == {"wifi", "cellular_5g", "cellular_4g", "ethernet"}
    assert {"orange", "vodafone", "comcast", "verizon", "cox"} <= set(said(calm[1], "isp"))


def test_a_user_agent_agrees_with_its_device(calm: World) -> None:
    words = {
        "smart_tv": ("Tizen", "webOS", "Android TV", "tvOS"), "mobile": ("iPhone", "Android"),
        "tablet": ("iPad", "SM-X700"), "web": ("Windows NT", "Macintosh", "X11; Linux"),
    }  # fmt: skip
    for device, agent in set(zip(said(calm[1], "device_type"), said(calm[1], "user_agent"), strict=True)):
        assert any(word in agent for word in words[device]), (device, agent)


def test_no_television_is_on_a_mobile_network(calm: World) -> None:
    television = said(calm[1], "device_type") == "smart_tv"
    assert set(said(calm[1], "network_type")[television]) == {"wifi", "ethernet"}


def test_the_viewers_own_evening_is_the_peak(calm: World) -> None:
    hour, _ = viewers.local_clock(calm[1].viewing)
    by_hour = np.bincount(hour.astype(int), minlength=24)
    assert by_hour.argmax() in (20, 21)
    assert by_hour[20] > 5 * by_hour[4]


def test_weekends_carry_more(calm: World) -> None:
    _, weekday = viewers.local_clock(calm[1].viewing)
    by_day = np.bincount(weekday, minlength=7) / np.array([4, 4, 4, 4, 4, 4, 5])  # a Sunday more in 30 days
    assert by_day[5:].mean() > 1.1 * by_day[:5].mean()


def test_titles_are_watched_by_zipfs_law(calm: World) -> None:
    vod = calm[1].viewing.content[~calm[1].viewing.live]
    counts = np.sort(np.bincount(vod, minlength=p.TITLES + 1))[::-1][:100]
    slope = np.polyfit(np.log(np.arange(1, 101)), np.log(np.maximum(counts, 1)), 1)[0]
    assert slope == pytest.approx(-p.ZIPF_EXPONENT, abs=0.12)
    assert np.bincount(vod).argsort()[::-1][:4].tolist().count(42) == 1


def test_a_live_event_draws_a_crowd(calm: World) -> None:
    hour, weekday = (calm[1].viewing.started_ms // 3_600_000) % 24, (calm[1].viewing.started_ms // 86_400_000 + 3) % 7
    crowd = (weekday == 5) & (hour >= 19) & (hour < 21)
    live = calm[1].viewing.live
    assert live[crowd].mean() > 3 * live[~crowd].mean()


def test_versions_are_of_the_seeds_range_and_roll_out(calm: World) -> None:
    version = said(calm[1], "app_version")
    assert {name.split(".")[0] for name in set(version)} <= {"v15", "v16", "v17", "v18"}
    new = version == "v18.9.6"
    first, second = new[: len(new) // 2], new[-len(new) // 6 :]
    assert first.sum() == 0
    assert second.mean() > 0.05


def test_viewers_return_with_the_same_home(calm: World) -> None:
    v = calm[1].viewing
    wired = np.isin(said(calm[1], "network_type"), ("wifi", "ethernet"))
    order = np.argsort(v.viewer[wired], kind="stable")
    who, isp = v.viewer[wired][order], v.isp[wired][order]
    again = who[1:] == who[:-1]
    assert again.sum() > 200
    assert (isp[1:][again] == isp[:-1][again]).all()
