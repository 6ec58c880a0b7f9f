"""The SBOM: valid by the published schema, and neither more nor less than the two locks."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

ROOT = Path(__file__).parents[2]


def made() -> str:
    command = [sys.executable, str(ROOT / "bin/sbom")]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.fixture(scope="module")
def components() -> list[dict[str, Any]]:
    """What it lists."""
    found: list[dict[str, Any]] = json.loads(made())["components"]
    return found


def test_it_is_cyclonedx_by_the_published_schema() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(made()) is None


def test_the_same_locks_give_the_same_bytes() -> None:
    assert made() == made()


def test_it_holds_every_package_of_the_lock_with_all_of_its_digests(components: list[dict[str, Any]]) -> None:
    lock = (ROOT / "requirements.lock").read_text()
    digests = sorted(h["content"] for c in components if "folder" not in str(c.get("properties")) for h in c["hashes"])
    assert digests == sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock))
    python = {(c["name"], c["version"]) for c in components if c.get("purl", "").startswith("pkg:pypi/")}
    assert python == set(re.findall(r"^([\w.-]+)==([^\s;]+)", lock, re.MULTILINE))
    assert len(python) > 100


def test_it_holds_every_jar_of_the_lock_with_its_digest(components: list[dict[str, Any]]) -> None:
    lines = [line.split() for line in (ROOT / "jars.lock").read_text().splitlines()]
    lock = {name: digest for digest, name in lines}
    jars = [c for c in components if c["bom-ref"].startswith("jars/")]
    named = {f"{c['properties'][0]['value']}/{c['name']}-{c['version']}.jar": c["hashes"][0]["content"] for c in jars}
    assert named == lock
    purls = {c["purl"] for c in jars if "purl" in c}
    assert "pkg:maven/org.apache.kafka/kafka_2.13@4.4.0" in purls
    assert {c["version"] for c in jars if c["name"] == "spark-sql-kafka-0-10_2.13"} == {"4.2.0"}
