"""OpenAPI: the door's description of itself, made from the wire's types."""

from functools import cache
from typing import Any

import msgspec

from qoescope.catalog.cmcd import MEDIA_TYPES
from qoescope.compile.wire import json_schemas

PATH = "/v1/openapi.json"


@cache
def document() -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(described())


def described() -> dict[str, Any]:
    """The document: what may be sent where, and what may come back."""
    references, components = json_schemas()
    security = {"bearer": {"type": "http", "scheme": "bearer"}, "query": _query_key()}
    return {
        "openapi": "3.1.0",
        "info": {"title": "qoescope's door", "version": "1", "description": "Players write here; nobody reads."},
        "paths": {
            "/v1/beacons": {"post": _beacons(references)},
            "/v1/cmcd": {"post": _cmcd(references), "get": _cmcd_get(references)},
            "/livez": {"get": _health("The process runs.", 200)},
            "/readyz": {"get": _health("Kafka acknowledges, and keys were asked for.", 200, 503)},
        },
        "components": {"schemas": components, "securitySchemes": security},
    }


def _query_key() -> dict[str, str]:
    return {"type": "apiKey", "in": "query", "name": "key"}


def _answers(references: dict[str, Any], good: dict[str, Any], *statuses: int) -> dict[str, Any]:
    said = {
        400: "The body cannot be read as a whole.",
        401: "No write key.",
        403: "A key or an origin that may not write.",
        408: "The body took too long.",
        410: "CMCD is switched off, or the key was revoked: stop.",
        413: "Beyond a limit.",
        415: "An encoding or media type that is not taken.",
        429: "Over the key's budget: come again after `Retry-After`.",
        503: "Kafka does not acknowledge, or too much is in flight: come again after `Retry-After`.",
    }
    refusal = {"application/json": {"schema": references["Refusal"]}}
    return {**good, **{str(status): {"description": said[status], "content": refusal} for status in statuses}}


def _beacons(references: dict[str, Any]) -> dict[str, Any]:
    beacon = {
        "schema": {"anyOf": [references["Beacon"], {"type": "array", "items": references["Beacon"], "minItems": 1}]}
    }
    good = {
        "200": {
            "description": "Kafka has all that was accepted; each event that was not has its verdict.",
            "content": {"application/json": {"schema": references["Answer"]}},
        }
    }
    return {
        "summary": "Events of one session, or of several in an array; packed by gzip, deflate, zstd or br",
        "operationId": "beacons",
        "security": [{"bearer": []}, {"query": []}],
        "requestBody": {"required": True, "content": {"application/json": beacon}},
        "responses": _answers(references, good, 400, 401, 403, 408, 413, 415, 429, 503),
    }


def _cmcd(references: dict[str, Any]) -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    return {
        "summary": "CMCD event reports, one a line",
        "operationId": "cmcd",
        "security": [{"bearer": []}, {"query": []}],
        "requestBody": {"required": True, "content": {kind: text for kind in MEDIA_TYPES if kind.endswith("cmcd")}},
        "responses": _answers(
            references, {"204": {"description": "Kafka has it."}}, 400, 401, 403, 408, 410, 413, 415, 429, 503
        ),
    }


def _cmcd_get(references: dict[str, Any]) -> dict[str, Any]:
    query = {"name": "CMCD", "in": "query", "required": False, "schema": {"type": "string"}}
    return {
        "summary": "One CMCD event report in the query or in headers",
        "operationId": "cmcd_get",
        "security": [{"bearer": []}, {"query": []}],
        "parameters": [query],
        "responses": _answers(references, {"204": {"description": "Kafka has it."}}, 400, 401, 403, 410, 413, 429, 503),
    }


def _health(what: str, *statuses: int) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    return {
        "summary": what,
        "responses": {str(status): {"description": what, "content": content} for status in statuses},
    }
