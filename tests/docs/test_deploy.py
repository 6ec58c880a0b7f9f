"""What lies in deploy/, checked as far as it goes without a container engine or a cluster."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from qoescope.catalog.metrics import BY_NAME
from qoescope.compile import ddl
from qoescope.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = "1.33"
MANIFESTS = [
    (path.name, number, manifest)
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    for number, manifest in enumerate(yaml.safe_load_all(path.read_text()))
]
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SETTINGS = {f"QOESCOPE_{name.upper()}" for name in Settings.model_fields} | {"QOESCOPE_SECRETS"}


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every pod that the manifests make."""
    for name, _, manifest in MANIFESTS:
        spec = manifest.get("spec", {})
        if manifest["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec:
            yield name, spec["template"]["spec"]


@pytest.mark.parametrize(("name", "number", "manifest"), MANIFESTS)
def test_manifest_is_valid(name: str, number: int, manifest: dict[str, Any]) -> None:
    if manifest["kind"] != "Kustomization":
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)


def test_kustomization_names_every_manifest() -> None:
    kustomization = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
    assert {*kustomization["resources"], "kustomization.yaml"} == {name for name, _, _ in MANIFESTS}


def test_no_pod_runs_as_root_or_without_limits() -> None:
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"], name
        assert not pod["automountServiceAccountToken"], name
        for container in (*pod["containers"], *pod.get("initContainers", [])):
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name
        assert all("memory" in c["resources"]["limits"] for c in pod["containers"]), name


def test_settings_of_manifests_and_containers_exist() -> None:
    (config,) = (manifest for _, _, manifest in MANIFESTS if manifest["kind"] == "ConfigMap")
    assert set(config["data"]) <= SETTINGS
    for name, service in COMPOSE["services"].items():
        ours = {key for key in service.get("environment", {}) if key.startswith("QOESCOPE_")}
        assert ours <= SETTINGS, name


def test_images_are_pinned_by_version() -> None:
    for name, service in COMPOSE["services"].items():
        assert re.fullmatch(r"[\w/.-]+:\d+(\.\d+)+", service["image"]), name
    assert re.search(r"^FROM debian:\d+\.\d+-slim$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)


def test_containers_publish_on_loopback_only_and_carry_no_secret() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY|CONN|DSN", key):
                assert re.fullmatch(r"(cat )?/(state|app/var)/secrets[\w./]*", str(value)), (name, key)


def test_secrets_are_made_once_and_for_their_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = []
    for _ in range(2):
        subprocess.run(["/bin/sh", DEPLOY / "secrets.sh", folder, "db.example.com", "5433"], check=True)
        made.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert made[0] == made[1]
    assert folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert made[0]["owner.dsn"].startswith(
        b"host=db.example.com port=5433 dbname=qoescope user=qoescope_owner password="
    )
    assert len({*made[0].values()}) == len(made[0])


def test_secrets_that_pods_mount_are_those_that_are_made(tmp_path: Path) -> None:
    subprocess.run(["/bin/sh", DEPLOY / "secrets.sh", tmp_path / "secrets"], check=True)
    made = {path.name for path in (tmp_path / "secrets").iterdir()}
    for name, pod in pods():
        for volume in pod["volumes"]:
            for source in volume.get("projected", {}).get("sources", []):
                assert {item["key"] for item in source["secret"]["items"]} <= made, name


def test_roles_are_those_of_the_schema() -> None:
    roles = (DEPLOY / "postgres/roles.sql").read_text()
    for role in (ddl.OWNER, ddl.WRITER, ddl.READER):
        assert f"alter role {role} login nosuperuser" in roles
    assert f"grant {ddl.READER} to qoescope_grafana" in roles


def test_board_asks_the_source_that_is_provisioned() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/qoescope.yaml").read_text())["datasources"]
    board = (DEPLOY / "grafana/dashboards/qoescope.json").read_text()
    assert set(re.findall(r'"uid": "(\w+)"', board)) == {source["uid"] for source in sources}
    assert all(name in BY_NAME for name in re.findall(r'as \\"(\w+)\\"', board))
