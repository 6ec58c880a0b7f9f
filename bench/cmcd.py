"""CMCD: records a second that are parsed, read and mapped, beside the kept library; and a fuzzer with a clock.

`python bench/cmcd.py` measures; `python bench/cmcd.py --fuzz 1000000` throws that many bad texts at every reader and
says the slowest time a byte.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator

import http_sf
import pyarrow as pa

from qoescope.sources.cmcd.codec import decode_line, decoded, encode_line
from qoescope.sources.cmcd.mapping import map_records
from qoescope.sources.cmcd.reading import read
from qoescope.sources.cmcd.structured_fields import split
from qoescope.sources.cmcd.transport import in_body, in_headers, in_query

T = 1_762_000_000_000
EVENT = (
    'bg=?0,br=(3000;v 128;a),bl=(12000),cid="movie-1",e=ps,msd=1200,mtp=(25400),pt=10000,sf=h,'
    'sid="6e2fb550-c457-11e9-bb97-0800200c9a66",sn=4,st=v,sta=p,ts=1762000001250,v=2'
)
REQUEST = (
    'br=3200,bs,bl=2100,cid="faec5fc2-ac30-11ea-bb37-0242ac130002",d=4004,dl=1200,mtp=25400,nor="..%2F300kbps%2Ftrack.m4v",'
    'ot=v,sf=d,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",st=v,tb=6000'
)
PIECES = [
    *'abz09-_.*=;,:()"\\?@%+/ \t\n\x00\x7f\u00e9\u20ac',
    *("br=(3000;v 128;a)", 'sid="x"', "v=2", "e=ps", "sta=p", "ts=1762000001250", "%2C", "%253D", "CMCD="),
    *('"' * 50, "(" * 50, "\\" * 50, "1" * 50, ";a=1" * 20, ",a" * 40, " " * 40, '\\"' * 30, '{"br":[1]}'),
]
STALLS_EVERY = 9


def rate(work: Callable[[], object], count: int) -> float:
    """Records a second of one core, the best of five."""
    best = float("inf")
    for _ in range(5):
        begun = time.process_time()
        for _ in range(count):
            work()
        best = min(best, time.process_time() - begun)
    return count / best


def stories(plays: int, records: int) -> pa.Table:
    """Records of `plays` sessions, `records` each, as the door keeps them."""
    rows = []
    for play in range(plays):
        for n in range(records):
            at = T + n * 5000
            state = "s" if n == 0 else "r" if n % STALLS_EVERY == 1 and n > 1 else "p"
            said = {
                "sid": f"{play}",
                "sn": n,
                "br": [3000],
                "pt": n * 5000,
                "sta": state,
                "e": "ps",
                "ts": at,
                "bl": [9000],
            }
            rows.append((f"{play}", encode_line(said, 2), at * 1000, n))
    sids, texts, arrivals, offsets = zip(*rows, strict=True)
    many = len(rows)
    return pa.table(
        {
            "property": ["app"] * many,
            "session_id": list(sids),
            "mode": ["event"] * many,
            "record": list(texts),
            "received_at": pa.array(arrivals, pa.timestamp("us", tz="UTC")),
            "kafka_offset": list(offsets),
        }
    )


def inputs(count: int, seed: int) -> Iterator[str]:
    """Texts near the grammar, of any length up to some 4 KB."""
    dice = random.Random(seed)  # noqa: S311  no secret
    for _ in range(count):
        yield "".join(dice.choices(PIECES, k=dice.choice((2, 5, 9, 20, 20, 60, 200))))


def fuzz(count: int, seed: int) -> None:
    """Throws texts at every reader; an exception that is not of ours ends it."""
    slowest, total, begun = (0.0, ""), 0, time.process_time()
    readers: tuple[Callable[[str], object], ...] = (
        lambda text: decoded(text, 2),
        lambda text: read(text, "event"),
        split,
        lambda text: in_query("CMCD=" + text),
        lambda text: in_headers([("CMCD-Request", text), ("cmcd-session", 'sid="x"')]),
        lambda text: in_body(text.encode("utf-8", "surrogatepass")),
        lambda text: in_body(text.encode("utf-8", "surrogatepass"), "application/json"),
    )
    for place, text in enumerate(inputs(count, seed)):
        reader = readers[place % len(readers)]
        before = time.process_time()
        reader(text)
        spent = (time.process_time() - before) / (len(text) + 100)
        total += len(text)
        slowest = max(slowest, (spent, text))
    spent = time.process_time() - begun
    print(f"{count:,} texts, {total:,} characters in {spent:.1f} s, {spent / total * 1e9:.0f} ns a character")
    print(f"slowest: {slowest[0] * 1e6:.2f} us a character (100 added): {slowest[1][:100]!r}")


def measure() -> None:
    """One line a reader."""
    for name, text, version in (("event, v2", EVENT, 2), ("request, v1", REQUEST, 1)):
        sent = text.encode()
        record = decode_line(text, version)
        results = {
            "decode": rate(lambda text=text, version=version: decode_line(text, version), 20_000),  # type: ignore[misc]
            "read": rate(lambda text=text: read(text, "event"), 20_000),  # type: ignore[misc]
            "encode": rate(lambda record=record, version=version: encode_line(record, version), 5_000),  # type: ignore[misc]
            "http-sf": rate(lambda sent=sent: http_sf.parse(sent, tltype="dictionary"), 5_000),  # type: ignore[misc]
        }
        print(f"{name}, {len(text)} bytes: " + ", ".join(f"{k} {v:,.0f}/s" for k, v in results.items()))
    table = stories(2000, 50)
    begun = time.process_time()
    made = map_records(table)
    spent = time.process_time() - begun
    print(f"mapped: {len(table):,} records to {len(made.events):,} events, {len(table) / spent:,.0f}/s")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--fuzz", type=int, default=0, help="how many bad texts")
    options.add_argument("--seed", type=int, default=1)
    chosen = options.parse_args()
    if chosen.fuzz:
        fuzz(chosen.fuzz, chosen.seed)
    else:
        measure()
