"""CMCD readings: tolerant of what is found in the wild, and noted."""

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from qoescope.catalog.cmcd import KEYS, NOTES
from qoescope.sources.cmcd.reading import RecordReading, read


def test_a_record_means_what_it_says() -> None:
    found = read('bg,br=(3000;v 128;a),cid="film",com.example-plan=gold,ec=("403"),pr=1.5,pt=10,sta=p,v=2', "request")
    assert found == RecordReading(
        2,
        numbers={"pt": 10, "v": 2},
        texts={"cid": "film", "sta": "p"},
        flags={"bg": True},
        lists={"br": [(3000, "v"), (128, "a")]},
        names={"ec": ["403"]},
        custom={"com.example-plan": "gold"},
        rate=1.5,
    )


@pytest.mark.parametrize(
    ("text", "kbps"),
    [
        ("br=(5000;v 320;a)", 5000),
        ("br=(320;a 5000;v)", 5000),
        ("br=(5000;ot=v 320;ot=a)", 5000),
        ("br=(320;a 5000;av)", 5000),
        ("br=(320;a 5000)", 5000),
        ("br=(320;a)", 320),
        ("br=(7;c 8;x)", 7),
        ("br=()", None),
        ("br=5000", 5000),
    ],
)
def test_of_a_list_video_counts_first(text: str, kbps: int | None) -> None:
    assert read(f"{text},v=2", "request").one("br") == kbps


@pytest.mark.parametrize(
    ("text", "key", "value", "note"),
    [
        ("br=3000,v=2", "br", [(3000, "")], "cmcd_mended"),
        ("br=(3000 2000)", "br", [(3000, ""), (2000, "")], "cmcd_mended"),
        ("d=(4004 1)", "d", 4004, "cmcd_mended"),
        ("sid=abc", "sid", "abc", ""),
        ("sid=7", "sid", "7", "cmcd_mended"),
        ("ec=403,v=2", "ec", ["403"], "cmcd_mended"),
        ("ec=(403 x),v=2", "ec", ["403", "x"], "cmcd_mended"),
        ("d=4004.5", "d", 4005, "cmcd_mended"),
        ("bl=1234", "bl", [(1234, "")], "cmcd_unrounded"),
        ("dl=1234", "dl", 1234, "cmcd_unrounded"),
        (f'cid="{"c" * 70}"', "cid", "c" * 64, "cmcd_cut"),
        (f'cid="{"c" * 130}",v=2', "cid", "c" * 128, "cmcd_cut"),
        (f'sid="{"s" * 199}"', "sid", "s" * 199, ""),
        (f'sid="{"s" * 250}"', "sid", "s" * 200, "cmcd_cut"),
        (f'x-y="{"c" * 70}"', "x-y", "c" * 64, "cmcd_cut"),
        ("d=fast", "d", None, "cmcd_dropped"),
        ("d=-1", "d", None, "cmcd_dropped"),
        ("bs=1", "bs", None, "cmcd_dropped"),
        ("sid", "sid", None, "cmcd_dropped"),
        ("ot=7", "ot", None, "cmcd_dropped"),
        ("br=(fast 3000),v=2", "br", [(3000, "")], "cmcd_dropped"),
        ("sta=zz,v=2", "sta", None, ""),
        ("sf=zz", "sf", None, ""),
        ("unheard=7", "unheard", None, ""),
        ("sta=p", "sta", None, ""),
    ],
)
def test_what_is_found_is_taken_as_what_it_means(text: str, key: str, value: object, note: str) -> None:
    found = read(text, "request")
    said = (found.numbers, found.texts, found.flags, found.lists, found.names, found.custom)
    assert next((kind[key] for kind in said if key in kind), None) == value
    assert found.notes == ({note} if note else set())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('sid="x",br=,d=4000,ot=v', {"sid": "x", "ot": "v"}),
        ('sid="x",,ot=v,', {"sid": "x", "ot": "v"}),
        ('sid="x,ot=v', {"ot": "v"}),
        ('Sid="y",sid="x",br=(1,2),ot=v', {"sid": "x", "ot": "v"}),
        ('cid="a,b",sid="caf\u00e9",ot=v', {"cid": "a,b", "ot": "v"}),
    ],
)
def test_good_members_of_a_bad_record_are_kept(text: str, said: dict[str, str]) -> None:
    found = read(text, "request")
    assert (found.texts, found.notes) == (said, {"cmcd_repaired"})


def test_what_holds_nothing_is_empty() -> None:
    assert read("%%%", "event").empty
    assert not read("su", "request").empty


def test_event_reports_may_leave_out_what_the_door_knows() -> None:
    found = read('sid="x",v=2', "event")
    assert (found.texts["e"], found.notes) == ("t", {"cmcd_event_assumed", "cmcd_time_assumed"})
    assert read("e=ps,sta=p,ts=1", "event").notes == {"cmcd_version_assumed"}


def test_versions_are_told_apart() -> None:
    assert read("br=3000", "request").version == 1
    assert read("v=2", "request").version == 2
    ignored = read('sid="x",sta=p,v=3', "event")
    assert (ignored.ignored, ignored.texts) == (True, {})


@settings(max_examples=300, deadline=None)
@given(
    text=st.text(max_size=120)
    | st.lists(
        st.tuples(
            st.sampled_from([*KEYS, "x-y", "zz"]),
            st.sampled_from(
                ["", "=1", "=-1", "=1.5", "=?0", "=a", '="b"', "=(1;v 2)", '=("a" b);c', "=:YQ==:", "=(", "=()"]
            ),
        )
    ).map(lambda parts: ",".join(key + value for key, value in parts)),
    event=st.booleans(),
)
def test_reading_never_raises(text: str, event: bool) -> None:
    assert read(text, "event" if event else "request").notes <= NOTES.keys()


@pytest.mark.parametrize(
    ("text", "dropped"),
    [
        ("br=(99999999),v=2", ["br"]),
        ("br=(3000 99999999),v=2", ["br"]),
        ("msd=-1,ts=253402300800000,v=2", ["msd", "ts"]),
        ("d=9999999999999999,bs", ["d"]),
        ("mtp=1e5,rtp=NaN,bs", ["mtp", "rtp"]),
        ("pr=101,v=2", ["pr"]),
        ("bs=5,su", ["bs"]),
        ("ot=?1,sf=zz", ["ot", "sf"]),
        ("cid=?0,com.example-plan=?1,x.of-senders-making=?1", ["cid", "custom", "custom"]),
        ("v=1000", ["v"]),
        ("unheard=9999999999999999,bs", []),
        ("br=(3000),msd=812,v=2", []),
    ],
)
def test_each_value_that_is_left_out_is_named_by_its_key(text: str, dropped: list[str]) -> None:
    assert sorted(read(text, "request").dropped) == dropped
