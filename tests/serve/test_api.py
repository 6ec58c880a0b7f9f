"""API: its document is whole, its errors are problems, and nothing is answered to nobody."""

import asyncio
from typing import Any

import httpx
import pytest

from qoescope.serve.api.app import build_api, document


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    return document(build_api())


def test_every_route_is_described_with_its_errors(described: dict[str, Any]) -> None:
    assert len(described["paths"]) >= 15
    for path in described["paths"].values():
        for operation in path.values():
            assert operation.get("description") or operation.get("summary")
            assert {"401", "403", "422", "503"} <= set(operation["responses"])
            assert "application/problem+json" in operation["responses"]["422"]["content"]


def test_every_answer_has_examples(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for name in ("Problem", "MetricDefinition", "Row", "Bucket", "DimensionValue", "NewAnnotation", "Health"):
        missing = [field for field, said in schemas[name]["properties"].items() if "examples" not in said]
        assert missing == []


def test_tokens_are_how_one_signs_in(described: dict[str, Any]) -> None:
    assert described["components"]["securitySchemes"]["token"] == {"type": "http", "scheme": "bearer"}


def fetched(path: str) -> httpx.Response:
    async def answer() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(build_api()), base_url="http://here") as client:
            return await client.get(path)

    return asyncio.run(answer())


@pytest.mark.parametrize("path", ["/metrics", "/overall?metric=plays", "/sessions", "/exports/sessions"])
def test_nobody_is_told_to_sign_in_by_a_problem(path: str) -> None:
    answer = fetched(path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["title"] == "Sign in"


def test_an_unknown_path_is_a_problem_too() -> None:
    answer = fetched("/nowhere")
    assert (answer.status_code, answer.json()["title"]) == (404, "Not found")
