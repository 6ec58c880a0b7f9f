"""The hash bucket of a session, the same in every engine."""

import hashlib


def bucket_sql(column: str, buckets: int) -> str:
    """The bucket of a session's id in DuckDB's SQL: by the first byte of its MD5."""
    return f"cast(('0x' || md5({column})[1:2])::utinyint % {buckets} as bigint)"


def bucket_of(session_id: str, buckets: int) -> int:
    """The same bucket of one id."""
    return hashlib.md5(session_id.encode(), usedforsecurity=False).digest()[0] % buckets


def spark_bucket(column: str, buckets: int) -> str:
    """The same bucket in Spark's SQL, whose `conv` takes longer than the hash."""
    high, low = (f"instr('0123456789abcdef', substr(md5({column}), {digit}, 1)) - 1" for digit in (1, 2))
    return f"pmod(({high}) * 16 + {low}, {buckets})"
