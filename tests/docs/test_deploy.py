"""What lies in deploy/, checked as far as it goes without a container engine or a cluster."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from qoescope.catalog.metrics import METRIC_BY_NAME
from qoescope.compile import ddl
from qoescope.settings import Settings

DEPLOY = Path(__file__).parents[2] / "deploy"
KUBERNETES = "1.33"
OURS = "qoescope:0.1.0"
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
            assert container["securityContext"]["readOnlyRootFilesystem"], name
        assert all("memory" in c["resources"]["limits"] for c in pod["containers"]), name


def test_settings_of_manifests_and_containers_exist() -> None:
    (config,) = (manifest for _, _, manifest in MANIFESTS if manifest["kind"] == "ConfigMap")
    assert set(config["data"]) <= SETTINGS
    for name, service in COMPOSE["services"].items():
        ours = {key for key in service.get("environment", {}) if key.startswith("QOESCOPE_")}
        assert ours <= SETTINGS, name


def test_images_of_others_are_named_by_digest_or_nothing_starts() -> None:
    """A tag alone never starts: compose stops at a digest that is not set, Docker at `image@`, Kubernetes at zeros."""
    asked = (DEPLOY / "digests.sh").read_text()
    for name, service in COMPOSE["services"].items():
        if service["image"] == OURS:
            assert service["pull_policy"] == "never", name
            continue
        found = re.fullmatch(r"([\w/.-]+:\d+(?:\.\d+)+)@\$\{(\w+_DIGEST):\?.+\}", service["image"])
        assert found, (name, service["image"])
        assert f"digest {found[2]} {found[1]}\n" in asked, name
    built = (DEPLOY / "Dockerfile").read_text()
    assert re.findall(r"^FROM (.*)$", built, re.MULTILINE) == ["debian:12.12-slim@${DEBIAN_DIGEST}"]
    assert re.search(r"^ARG DEBIAN_DIGEST$", built, re.MULTILINE)
    assert "digest DEBIAN_DIGEST debian:12.12-slim\n" in asked
    (image,) = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())["images"]
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", image["digest"])
    assert "newTag" not in image


def test_containers_write_to_what_they_are_given_and_to_nothing_else() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"], name
        assert "no-new-privileges:true" in service["security_opt"], name
        if name != "postgres":  # its entry point becomes another user
            assert service["cap_drop"] == ["ALL"], name


def test_containers_publish_on_loopback_only_and_carry_no_secret() -> None:
    for name, service in COMPOSE["services"].items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        for key, value in service.get("environment", {}).items():
            if re.search(r"PASSWORD|SECRET|_KEY|CONN|DSN", key):
                assert re.fullmatch(r"(cat )?(/app/var)?/secrets[\w./]*", str(value)), (name, key)


def test_no_container_but_the_monitor_reaches_beyond_this_host() -> None:
    networks = COMPOSE["networks"]
    outward = {name for name, how in networks.items() if not (how or {}).get("internal")}
    masked = {name for name in outward if "driver_opts" in (networks[name] or {})}
    assert networks["front"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    assert (outward, masked) == ({"front", "out"}, {"front"})
    for name, service in COMPOSE["services"].items():
        where = {"none"} if service.get("network_mode") == "none" else set(service["networks"])
        assert ("out" in where) == (name == "monitor"), name
        assert ("front" in where) == (bool(service.get("ports")) or name.startswith("airflow")), name


def test_no_pod_reaches_more_than_it_speaks_to() -> None:
    policies = {m["metadata"]["name"]: m["spec"] for _, _, m in MANIFESTS if m["kind"] == "NetworkPolicy"}
    everything = policies["nothing-comes-in-or-goes-out"]
    assert everything == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for name, spec in policies.items():
        for rule in spec.get("egress", []):
            assert rule["to"], name
            assert rule["ports"], name
            wide = [to for to in rule["to"] if to.get("ipBlock", {}).get("cidr") == "0.0.0.0/0"]
            assert bool(wide) == (name == "monitor-tells-people"), name


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


@pytest.fixture(scope="module")
def handed_out(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Which secrets each service is given."""
    folder = tmp_path_factory.mktemp("secrets")
    for _ in range(2):
        subprocess.run(["/bin/sh", DEPLOY / "secrets.sh", folder / "all"], check=True)
        subprocess.run(["/bin/sh", DEPLOY / "hand_out.sh", folder / "all", folder / "to"], check=True)
    files = [path for path in (folder / "to").rglob("*") if path.is_file()]
    assert all(path.stat().st_mode & 0o077 == 0 for path in (*files, *(folder / "to").iterdir()))
    assert all(path.read_bytes() == (folder / "all" / path.name).read_bytes() for path in files)
    return {place.name: {path.name for path in place.iterdir()} for place in (folder / "to").iterdir()}


def test_each_service_has_its_own_secrets_and_no_others(handed_out: dict[str, set[str]]) -> None:
    """The one that the internet reaches has neither the owner's nor the superuser's password, nor the console's key."""
    assert handed_out["collector"] == {"writer.dsn", "viewers.v1.key"}
    assert {name for name, has in handed_out.items() if "super.password" in has} == {"postgres", "roles"}
    assert {name for name, has in handed_out.items() if {"owner.password", "owner.dsn"} & has} == {"roles", "tables"}
    assert {name for name, has in handed_out.items() if "console.key" in has} == {"console"}
    assert {name for name, has in handed_out.items() if "airflow_jwt.key" in has} == {"airflow"}


def test_containers_and_pods_mount_the_secrets_of_one_service(handed_out: dict[str, set[str]]) -> None:
    given = {f"secrets-{name}" for name in handed_out}
    (maker,) = [s for name, s in COMPOSE["services"].items() if name == "secrets"]
    assert {v.split(":")[0] for v in maker["volumes"]} - set(COMPOSE["volumes"]) == set()
    assert {v for v in COMPOSE["volumes"] if v.startswith("secrets-")} == given
    for name, service in COMPOSE["services"].items():
        mounted = [v.split(":")[0] for v in service.get("volumes", []) if v.startswith("secrets")]
        if name != "secrets" and mounted:
            group = "airflow" if name.startswith("airflow") else name
            assert mounted == [f"secrets-{group}"], name
    for name, pod in pods():
        mounted = [v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v]
        assert mounted == [name.removesuffix(".yaml")]
        assert mounted[0] in handed_out


def test_roles_are_those_of_the_schema() -> None:
    roles = (DEPLOY / "postgres/roles.sql").read_text()
    for role in (ddl.OWNER, ddl.WRITER, ddl.READER):
        assert f"alter role {role} login nosuperuser" in roles
    assert f"grant {ddl.READER} to qoescope_grafana" in roles


def test_board_asks_the_source_that_is_provisioned() -> None:
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/qoescope.yaml").read_text())["datasources"]
    board = (DEPLOY / "grafana/dashboards/qoescope.json").read_text()
    assert set(re.findall(r'"uid": "(\w+)"', board)) == {source["uid"] for source in sources}
    assert all(name in METRIC_BY_NAME for name in re.findall(r'as \\"(\w+)\\"', board))
