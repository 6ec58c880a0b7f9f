"""Reference: the API's OpenAPI document as a page for people."""

import json
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from qoescope.catalog.people import SCOPES
from qoescope.compile.glossary import code, sentence, table
from qoescope.compile.references import type_said

HEAD = """# API

What programs ask the console, under `/api/v1`. This page is generated from the API's own OpenAPI document, which it
serves at `/api/v1/openapi.json`: `make golden` writes it, a test compares it.

A program signs in with a token of one property, made by `qoescope people token` and shown once:
`Authorization: Bearer qt_…`. What it may do, its scopes say. Answers carry an `ETag`: whoever sends it back as
`If-None-Match` gets 304 where nothing is new. Errors are problems as RFC 9457 writes them, with a suggestion where a
name was nearly right."""


def page(document: Mapping[str, Any]) -> str:
    """The page, in Markdown: scopes, then every operation, then the shapes of what is sent and answered."""
    operations = [
        (operation["tags"][0], f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    sections = [HEAD, "## Scopes\n\n" + table(("scope", "allows"), [(code(k), v) for k, v in SCOPES.items()])]
    tags = list(dict.fromkeys(tag for tag, _, _ in operations))
    for tag, group in groupby(sorted(operations, key=lambda entry: tags.index(entry[0])), lambda entry: entry[0]):
        sections += [f"## {sentence(tag)}", *(_operation(name, operation) for _, name, operation in group)]
    sections.append("## Shapes")
    sections += [_shape(name, schema) for name, schema in document["components"]["schemas"].items()]
    return "\n\n".join(sections) + "\n"


def _operation(name: str, operation: Mapping[str, Any]) -> str:
    (scope,) = operation["security"][0]["token"]
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    status, answer = next((s, a) for s, a in operation["responses"].items() if s.startswith("2"))
    kinds = answer.get("content", {})
    shape = kinds.get("application/json", {}).get("schema")
    answers = type_said(shape) if shape else ", ".join(map(code, kinds)) or "nothing"
    parts = [f"### {code(name)}", operation["description"], f"Scope {code(scope)}. Answers {status}: {answers}."]
    if body:
        parts.append(f"Takes {type_said(body)}.")
    if parameters := operation.get("parameters"):
        parts.append(table(("parameter", "type", "default", "says"), map(_parameter, parameters)))
    return "\n\n".join(parts)


def _parameter(parameter: Mapping[str, Any]) -> tuple[str, str, str, str]:
    schema = parameter["schema"]
    default = "**required**" if parameter.get("required") else _default(schema)
    return code(parameter["name"]), type_said(schema), default, parameter.get("description", "")


def _shape(name: str, shape: Mapping[str, Any]) -> str:
    required = shape.get("required", ())
    rows = [
        (code(field), type_said(schema), "" if field in required else _default(schema), _example(schema))
        for field, schema in shape["properties"].items()
    ]
    return "\n\n".join((f"### {name}", shape["description"], table(("field", "type", "default", "such as"), rows)))


def _default(schema: Mapping[str, Any]) -> str:
    return code(json.dumps(schema["default"])) if schema.get("default") is not None else ""


def _example(schema: Mapping[str, Any]) -> str:
    return code(json.dumps(schema["examples"][0], ensure_ascii=False)) if schema.get("examples") else ""
