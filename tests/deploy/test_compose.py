"""docker-compose.yml: valid, closed to the outside, and in the services' own words."""

import json
import re
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from camera_uploader.settings import CameraSettings
from dashboard_gateway.settings import DashboardSettings
from pinhole.runtime.settings import ProcessSettings
from pinning.settings import PinningSettings
from tests.deploy import composition, dockerfile
from tests.deploy.composition import Node
from yolo_fetcher.settings import YoloSettings

SCHEMA = Path(__file__).parent / "schema" / "compose-spec.json"
SETTINGS: dict[str, type[ProcessSettings]] = {
    "camera": CameraSettings,
    "dashboard": DashboardSettings,
    "pinning": PinningSettings,
    "yolo": YoloSettings,
}
OURS = (*SETTINGS, "prepare", "camera-enrolment")


@pytest.fixture(scope="module")
def compose() -> Node:
    return composition.read()


@pytest.fixture(scope="module")
def secrets_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("compose") / "secrets"
    script = composition.ROOT / "deploy" / "make-secrets.sh"
    subprocess.run([script, directory], check=True, capture_output=True)
    return directory


def test_the_file_is_valid_under_the_compose_specification(compose: Node) -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    assert [error.message for error in validator.iter_errors(compose)] == []


def test_no_key_stands_twice_in_the_file() -> None:
    class Strict(yaml.SafeLoader):
        pass

    def mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[object, object]:
        keys = [loader.construct_object(key) for key, _ in node.value if key.value != "<<"]
        assert len(keys) == len(set(keys)), f"a key stands twice: {keys}"
        loader.flatten_mapping(node)
        return dict(loader.construct_pairs(node))

    Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, mapping)
    yaml.load(composition.COMPOSE_FILE.read_text(encoding="utf-8"), Strict)  # noqa: S506 - a subclass of SafeLoader


def test_every_image_of_others_is_pinned_to_a_version(compose: Node) -> None:
    foreign = {name: s["image"] for name, s in composition.services(compose) if "build" not in s}
    assert foreign["kubo"] == "ipfs/kubo:v0.43.0"
    assert foreign["camera-kubo"] == foreign["kubo"]
    assert foreign["postgres"].startswith("postgres:18")
    for name, image in foreign.items():
        assert re.fullmatch(r"[a-z0-9./-]+:v?\d+(\.\d+){0,2}", image), f"{name} runs {image}"


def test_services_are_built_from_targets_that_the_dockerfile_has(compose: Node) -> None:
    targets = dockerfile.stages()
    built = {
        name: service["build"]["target"]
        for name, service in composition.services(compose)
        if "build" in service
    }
    assert set(built) == set(OURS)
    assert set(built.values()) <= set(targets)
    for variant in ("yolo", "yolo-slim"):
        chosen = composition.read({"PINHOLE_YOLO_TARGET": variant})
        assert chosen["services"]["yolo"]["build"]["target"] == variant
        assert variant in targets


def test_only_pages_are_published_and_on_loopback_alone(compose: Node) -> None:
    published = {
        name: service["ports"]
        for name, service in composition.services(compose)
        if "ports" in service
    }
    assert published == {
        "dashboard": ["127.0.0.1:8080:8080"],
        "grafana": ["127.0.0.1:3000:3000"],
    }
    for name, service in composition.services(compose):
        assert service.get("network_mode") is None, f"{name} shares a network namespace"
        assert not service.get("privileged", False), f"{name} is privileged"


def test_kubos_rpc_is_in_reach_of_pinning_alone(compose: Node) -> None:
    reach = _members(compose)
    assert reach["rpc"] == {"kubo", "pinning"}
    assert reach["edge"] == {"camera-kubo", "camera"}
    for node, network in (("kubo", "rpc"), ("camera-kubo", "edge")):
        address = compose["services"][node]["networks"][network]["ipv4_address"]
        assert compose["services"][node]["environment"]["PINHOLE_KUBO_RPC_ADDRESS"] == address
    assert compose["networks"]["rpc"]["internal"] is True
    assert compose["networks"]["edge"]["internal"] is True


def test_the_database_is_in_reach_of_its_owners_alone(compose: Node) -> None:
    members = _members(compose)["database"]
    assert members == {"postgres", "prepare", "camera-enrolment", "dashboard", "pinning"}
    assert compose["networks"]["database"]["internal"] is True


def test_the_detector_has_no_way_out(compose: Node) -> None:
    for network in composition.networks_of(compose["services"]["yolo"]):
        assert compose["networks"][network]["internal"] is True


def test_secrets_are_files_that_the_script_makes(compose: Node, secrets_dir: Path) -> None:
    made = {path.name for path in secrets_dir.iterdir()}
    declared = {name: Path(secret["file"]) for name, secret in compose["secrets"].items()}
    assert set(declared) == made
    assert all(path.parent == Path("secrets") for path in declared.values())
    used = {
        source
        for _, service in composition.services(compose)
        for source in composition.secrets_of(service).values()
    }
    assert used == made


def test_no_secret_stands_in_an_environment(compose: Node) -> None:
    for name, service in composition.services(compose):
        for variable in service.get("environment", {}):
            words = set(re.split(r"_+", variable))
            secret = words & {"TOKEN", "PASSWORD", "DSN", "SECRET", "KEY"}
            assert not secret or variable.endswith("FILE"), f"{name} has {variable}"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_variable_is_a_setting_of_its_service(compose: Node, name: str) -> None:
    known = _variables_of(SETTINGS[name])
    service = compose["services"][name]
    given = set(service["environment"]) | {
        target.upper() for target in composition.secrets_of(service) if "_key" not in target
    }
    assert given - known == set()
    for target in dockerfile.stages():
        named = {
            key for key in dockerfile.environment(target) if key.startswith(f"{name.upper()}_")
        }
        # YOLO_CONFIG_DIR is ultralytics' own.
        assert named - known - {"YOLO_CONFIG_DIR"} == set()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_service_starts_with_what_compose_gives_it(
    compose: Node,
    name: str,
    secrets_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    service = compose["services"][name]
    target = service["build"]["target"]
    for key, value in {**dockerfile.environment(target), **service["environment"]}.items():
        monkeypatch.setenv(key, str(value))
    for file, source in composition.secrets_of(service).items():
        (tmp_path / file).write_bytes((secrets_dir / source).read_bytes())
    settings = SETTINGS[name].load(_secrets_dir=tmp_path)
    for secret in composition.secrets_of(service):
        if "_key" not in secret:
            field = secret.removeprefix(f"{name}_")
            value = getattr(settings, field)
            assert value.get_secret_value() == (tmp_path / secret).read_text().strip()


def test_services_of_ours_have_nothing_to_write_but_their_volumes(compose: Node) -> None:
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "user" not in service, f"{name}: the image's own user is not root"
    for name, service in composition.services(compose):
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name


def test_everything_that_stays_has_a_health_check_and_starts_again(compose: Node) -> None:
    for name, service in composition.services(compose):
        if service["restart"] == "no":
            assert service["healthcheck"] == {"disable": True}, name
            continue
        assert service["restart"] == "unless-stopped", name
        if "build" in service:
            assert dockerfile.environment(service["build"]["target"])["PINHOLE_HEALTH_PORT"], name
        else:
            assert service["healthcheck"]["test"][0] == "CMD", name


def test_nothing_waits_for_what_does_not_become_healthy_or_end(compose: Node) -> None:
    for name, service in composition.services(compose):
        for needed, how in service.get("depends_on", {}).items():
            ends = compose["services"][needed]["restart"] == "no"
            wanted = "service_completed_successfully" if ends else "service_healthy"
            assert how == {"condition": wanted}, f"{name} waits for {needed}: {how}"


def test_services_call_one_another_by_name_in_a_network_that_both_have(compose: Node) -> None:
    for name in OURS:
        service = compose["services"][name]
        for variable, value in service["environment"].items():
            called = re.match(r"http://([a-z][a-z-]*):", str(value))
            if called:
                both = composition.networks_of(service) & composition.networks_of(
                    compose["services"][called[1]]
                )
                assert both, f"{name} cannot reach {called[1]} for {variable}"


def test_every_variable_of_the_file_is_explained_to_the_operator() -> None:
    documented = (composition.ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    missing = {name for name in composition.variables() if f"`{name}`" not in documented}
    assert missing == set()


def test_mounted_files_are_in_the_repository(compose: Node) -> None:
    for name, service in composition.services(compose):
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (composition.ROOT / source).exists(), f"{name} mounts {source}"
                assert volume.endswith(":ro"), f"{name} can write {source}"
            else:
                assert source in compose["volumes"], f"{name} mounts {source}"


def _members(compose: Node) -> dict[str, set[str]]:
    return {
        network: {
            name
            for name, service in composition.services(compose)
            if network in composition.networks_of(service)
        }
        for network in compose["networks"]
    }


def _variables_of(settings: type[ProcessSettings]) -> set[str]:
    prefix = settings.model_config.get("env_prefix", "")
    return {f"{prefix}{name}".upper() for name in settings.model_fields}
