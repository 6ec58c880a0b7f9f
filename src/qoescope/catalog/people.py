"""People: who may see and do what, with their tokens, saved views and annotations."""

from dataclasses import dataclass

from qoescope.catalog.schema import Field, Table

EVERY_PROPERTY = "*"
"""In a user's properties: all there are, also those made later."""


@dataclass(frozen=True, slots=True)
class Role:
    """What its holders may do; each role may also do what those before it may."""

    name: str
    doc: str


ROLES = (
    Role("reader", "sees its properties"),
    Role("operator", "also acknowledges, dismisses and mutes incidents, annotates, runs and replays"),
    Role("admin", "also makes people, tokens and keys, and erases viewers"),
)
RANK = {role.name: rank for rank, role in enumerate(ROLES)}

SCOPES = {
    "read": "metrics, dimensions, sessions, incidents, annotations, health",
    "export": "files of rows: CSV, Parquet, Arrow",
    "decide": "acknowledge, dismiss and mute incidents",
    "annotate": "write and delete annotations",
    "replay": "judge dead letters again",
}
"""What a token may be allowed to do."""

LOGIN_S = 12 * 3600
"""A login ends after this long."""
LONGEST_PASSWORD = 256
LONGEST_NAME = 200
FAILURES, FAILURES_ADDRESS, FAILURES_ACCOUNT, FAILURES_S = 10, 30, 30, 15 * 60
"""So many failed logins of one account from one address, of all from one address, of one account from everywhere, in
so long a time, and more are refused."""
KNOWN_S, ATTEMPTS_KEPT = 22 * 3600, 30_000
"""So long an account that many guess at stays open to an address from which its owner signed in. So many accounts,
addresses and pairs of them are remembered."""
MOST_OF = {"views": 100, "rules": 200, "annotations": 10_000}
"""So many of each a property may have."""

USERS = Table(
    "users",
    "one row a person who may sign in",
    (
        Field("name", "text", "what they sign in with, lower case", nullable=False),
        Field("digest", "text", "Argon2id of the password, with its parameters and salt", nullable=False),
        Field("role", "text", "reader, operator or admin", nullable=False),
        Field("properties", "text", "properties they see, separated by commas; * for all", nullable=False),
        Field("created_at", "instant", "when the account was made", nullable=False),
        Field("changed_at", "instant", "when password or role last changed: earlier logins end", nullable=False),
        Field("disabled_at", "instant", "from when on they may not sign in"),
    ),
    key=("name",),
    private=True,
)

ENDED_LOGINS = Table(
    "ended_logins",
    "one row a login that its owner ended by signing out, until it would have ended by itself",
    (
        Field("id", "text", "of the login, as its cookie has it", nullable=False),
        Field("ended_at", "instant", "when", nullable=False),
    ),
    key=("id",),
    private=True,
)

ATTEMPTS = Table(
    "attempts",
    "tries to sign in, for a quarter of an hour, and addresses of sign-ins, for a day; who and where is not told",
    (
        Field("key", "text", "digest of account, address or both, under the console's key", nullable=False),
        Field("tries", "ints", "when each try was made that failed or goes on, s since 1970", nullable=False),
        Field("tried_at", "instant", "when the last one was made", nullable=False),
        Field("known_at", "instant", "when the account's owner last signed in from the address; null elsewhere"),
    ),
    key=("key",),
    private=True,
)

TOKENS = Table(
    "tokens",
    "one row an API token; the token itself is shown once and stored nowhere",
    (
        Field("prefix", "text", "its first characters, by which people name it", nullable=False),
        Field("digest", "text", "SHA-256 of the token, hexadecimal", nullable=False),
        Field("label", "text", "what it is for", nullable=False),
        Field("property", "text", "the property that it reads", nullable=False),
        Field("scopes", "text", "what it may do, separated by spaces", nullable=False),
        Field("created_at", "instant", "when it was made", nullable=False),
        Field("revoked_at", "instant", "from when on it is refused"),
    ),
    key=("prefix",),
    private=True,
)

VIEWS = Table(
    "views",
    "saved views: an address of the console with a name",
    (
        Field("property", "text", "the property", nullable=False),
        Field("id", "text", "its id", nullable=False),
        Field("title", "text", "its name", nullable=False),
        Field("address", "text", "path and query of the page", nullable=False),
        Field("made_by", "text", "who saved it", nullable=False),
        Field("created_at", "instant", "when", nullable=False),
    ),
    key=("property", "id"),
)

ANNOTATIONS = Table(
    "annotations",
    "what people know about a time: a release, a match, an outage elsewhere; drawn on every chart",
    (
        Field("property", "text", "the property", nullable=False),
        Field("id", "text", "its id", nullable=False),
        Field("starts_at", "instant", "when it began", nullable=False),
        Field("ends_at", "instant", "when it ended; null for a moment"),
        Field("text", "text", "what happened, at most 200 characters", nullable=False),
        Field("made_by", "text", "who wrote it", nullable=False),
        Field("created_at", "instant", "when it was written", nullable=False),
    ),
    key=("property", "id"),
)

ACKNOWLEDGEMENTS = Table(
    "acknowledgements",
    "who has taken on which incident",
    (
        Field("property", "text", "the property", nullable=False),
        Field("incident_id", "text", "the incident", nullable=False),
        Field("made_by", "text", "who takes care of it", nullable=False),
        Field("created_at", "instant", "since when", nullable=False),
    ),
    key=("property", "incident_id"),
)

PEOPLE = (USERS, ENDED_LOGINS, ATTEMPTS, TOKENS, VIEWS, ANNOTATIONS, ACKNOWLEDGEMENTS)
