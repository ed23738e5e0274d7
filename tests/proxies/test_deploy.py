"""The files in `examples/deploy/`: each is taken by the tool that it is for, and what they say fits together.

Apart from `test_deploy_proxies.py`, which runs the proxies. What a file cannot show alone is computed here: command lines
are ones that the server takes, times are longer than what they wait for, names are those of the other files.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_real_proxies import program, running

from rsgi.settings.config import Config
from rsgi.settings.values import parse_duration, parse_size
from server import Server, wait_until
from wire import get

PROJECT = Path(__file__).parents[2]
DEPLOY = PROJECT / "examples" / "deploy"
EXAMPLE = PROJECT / "examples" / "flask_and_fastapi"
PAGE = (PROJECT / "docs" / "deployment.md").read_text()

# What a process needs for its own end after all that its settings give.
MARGIN = 10


def text(file: str) -> str:
    return (DEPLOY / file).read_text()


def run(*command: str, folder: Path = EXAMPLE) -> str:
    """What a command that has to succeed wrote."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("RSGI_")}
    ran = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout + ran.stderr


# The command lines


def unit(file: str) -> dict[str, list[str]]:
    """The settings of a unit, all sections together, each with all its values in order."""
    found: dict[str, list[str]] = {}
    for line in text(f"systemd/{file}").replace("\\\n", " ").splitlines():
        name, given, value = line.partition("=")
        if given and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def of_systemd() -> list[str]:
    (command,) = unit("rsgi.service")["ExecStart"]
    return shlex.split(command)


def of_dockerfile() -> list[str]:
    parts = [
        re.search(rf"^{word} (\[.*\])$", text("docker/Dockerfile"), re.MULTILINE) for word in ("ENTRYPOINT", "CMD")
    ]
    return [word for part in parts if part for word in json.loads(part[1])]


def of_kubernetes() -> list[str]:
    return [*container()["command"], *container()["args"]]


def manifest(file: str) -> Any:
    yaml = pytest.importorskip("yaml", reason="pip install pyyaml")
    return yaml.safe_load(text(file))


def container() -> Any:
    (only,) = manifest("kubernetes/deployment.yaml")["spec"]["template"]["spec"]["containers"]
    return only


COMMANDS = {"systemd": of_systemd, "Docker": of_dockerfile, "Kubernetes": of_kubernetes}


def settings_of(command: list[str]) -> dict[str, Any]:
    """What the command line comes to, as `rsgi config` has it."""
    program, serve, *arguments = command
    assert (Path(program).name, serve) == ("rsgi", "serve")
    folder = [word for word in arguments if word != "/srv/app"]
    folder = [word if word != "--app-dir" else f"--app-dir={EXAMPLE}" for word in folder]
    shown = json.loads(run(sys.executable, "-m", "rsgi", "config", "--json", *folder))
    return {name: each["value"] if isinstance(each, dict) else each for name, each in shown.items()}


def longest_end(settings: dict[str, Any]) -> float:
    """As the server itself reckons: `rsgi.stopping.longest_end`."""
    times = [settings[name] for name in ("drain_delay", "grace", "lifespan_timeout")]
    delay, grace, lifespan = (parse_duration(each) if isinstance(each, str) else float(each) for each in times)
    return delay + grace + len(settings["apps"]) * lifespan


@pytest.mark.parametrize("where", COMMANDS)
def test_the_command_line_is_one_that_the_server_takes(where: str) -> None:
    command = COMMANDS[where]()
    settings = settings_of(command)
    assert settings["bind"] == ["0.0.0.0:8000"]
    assert settings["health_path"] == "/healthz"
    assert longest_end(settings) > 0
    apps = [f"--{app['interface']}={app['target']}" for app in settings["apps"]]
    assert "old:app" in run(sys.executable, "-m", "rsgi", "check", *apps)


# systemd


def installed(folder: Path, *files: str) -> list[str]:
    """The units as they would be installed, but with this machine's `rsgi`."""
    rsgi = Path(sys.executable).with_name("rsgi")
    made = []
    for file in files:
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        path.write_text(text(f"systemd/{file}").replace("/opt/rsgi/bin/rsgi", str(rsgi)))
        made.append(str(path))
    return made


@pytest.mark.parametrize("dropped_in", [False, True], ids=["alone", "socket"])
def test_systemd_takes_the_units(tmp_path: Path, dropped_in: bool) -> None:
    units = installed(tmp_path, "rsgi.service", "rsgi.socket")
    if dropped_in:
        installed(tmp_path, "rsgi.service.d/socket.conf")
    assert run(program("systemd-analyze"), "verify", "--man=no", *units) == ""


def test_systemd_confines_the_service(tmp_path: Path) -> None:
    (service,) = installed(tmp_path, "rsgi.service")
    # The threshold is ten times the figure that it prints, which goes from 0 to 10.
    run(program("systemd-analyze"), "security", "--offline=true", "--threshold=20", service)


def test_the_times_of_the_unit_are_longer_than_the_servers() -> None:
    service, settings = unit("rsgi.service"), settings_of(of_systemd())
    (stop,), (start,) = service["TimeoutStopSec"], service["TimeoutStartSec"]
    assert parse_duration(stop) >= longest_end(settings) + MARGIN
    assert parse_duration(start) >= len(settings["apps"]) * settings["lifespan_timeout"] + MARGIN
    assert service["Type"] == ["notify"]
    assert service["KillMode"] == ["mixed"]


def test_the_service_serves_on_the_socket_that_systemd_has_opened() -> None:
    command = unit("rsgi.service.d/socket.conf")["ExecStart"][-1].replace("/srv/app", str(EXAMPLE))
    rsgi = str(Path(sys.executable).with_name("rsgi"))
    words = [rsgi, *shlex.split(command)[1:], "--grace", "3s"]
    (port,) = unit("rsgi.socket")["ListenStream"]
    assert f"--bind 0.0.0.0:{port} " in unit("rsgi.service")["ExecStart"][0]
    activate = program("systemd-socket-activate")
    with running(lambda free: [activate, "-l", f"127.0.0.1:{free}", *words]) as free:
        with urllib.request.urlopen(f"http://127.0.0.1:{free}/healthz", timeout=20) as response:
            assert response.read() == b"ok\n"


# Docker


def test_hadolint_takes_the_dockerfile() -> None:
    assert run(program("hadolint"), str(DEPLOY / "docker" / "Dockerfile")) == ""


def test_the_dockerfile_copies_what_is_there_and_is_sent() -> None:
    ignored = text("docker/Dockerfile.dockerignore").splitlines()
    sent = {line[1:] for line in ignored if line.startswith("!")}
    assert "*" in ignored
    copied: set[str] = set()
    for words in re.findall(r"^COPY (?!--from)(.*)$", text("docker/Dockerfile"), re.MULTILINE):
        copied.update(words.split()[:-1])
    assert copied == sent
    for path in copied:
        assert (PROJECT / path).exists(), path
    for path in re.findall(r'^(?:members = \["|path = ")([^"]+)"', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE):
        assert path.split("/")[0] in copied, f"Cargo.toml needs {path}"


def test_the_image_is_not_for_root_and_has_a_compiler_that_is_new_enough() -> None:
    _, _, last = text("docker/Dockerfile").rpartition("\nFROM ")
    user = re.search(r"^USER (\d+):(\d+)$", last, re.MULTILINE)
    assert user
    assert "0" not in user.groups()
    wanted = re.search(r'^rust-version = "(\S+)"$', (PROJECT / "Cargo.toml").read_text(), re.MULTILINE)
    assert wanted
    assert f"FROM rust:{wanted[1]}-" in text("docker/Dockerfile")


def test_the_health_check_of_the_image(start: Callable[..., Server]) -> None:
    found = re.search(r"^HEALTHCHECK [^\[]*CMD (\[.*\])$", text("docker/Dockerfile").replace("\\\n", ""), re.MULTILINE)
    assert found
    server = start("--asgi", "asgi_kitchen:app", "--health-path", "/healthz", "--drain-delay", "5")
    python, *arguments = json.loads(found[1])
    assert python == "python"
    here = [word.replace("127.0.0.1:8000", server.authority) for word in arguments]
    assert here != arguments

    def healthy() -> bool:
        return subprocess.run([sys.executable, *here], capture_output=True, timeout=20, check=False).returncode == 0

    assert healthy()
    server.send_signal(signal.SIGTERM)
    wait_until(lambda: get(server, "/healthz").status == 503, 2, "health says no")
    assert not healthy()
    server.send_signal(signal.SIGTERM)
    assert server.wait(5) == 1


def test_the_compose_file() -> None:
    compose_spec = pytest.importorskip("compose_spec", reason="pip install compose-spec")
    compose_spec.PyCompose.from_yaml(text("docker/compose.yaml")).to_spec()
    made = manifest("docker/compose.yaml")
    proxy = made["services"].pop("proxy")
    folder = DEPLOY / "docker"
    assert set(made["services"]) == set(
        re.findall(r"^    server (\S+) \1:8000$", text("haproxy/haproxy.cfg"), re.MULTILINE)
    )
    assert (folder / proxy["volumes"][0].split(":")[0]).resolve() == DEPLOY / "haproxy" / "haproxy.cfg"
    (network,) = made["networks"]["proxied"]["ipam"]["config"]
    for service in made["services"].values():
        context = (folder / service["build"]["context"]).resolve()
        assert context == PROJECT
        assert context / service["build"]["dockerfile"] == folder / "Dockerfile"
        assert parse_duration(service["stop_grace_period"]) >= longest_end(settings_of(of_dockerfile())) + MARGIN
        assert service["environment"]["RSGI_TRUST_PROXY"] == network["subnet"]
        assert service["read_only"]
        spooled = 16 * parse_size(service["environment"]["RSGI_RESPONSE_SPOOL"])
        temporary = re.fullmatch(r"/tmp:size=(\d+)m,mode=1777", service["tmpfs"][0])
        assert temporary
        assert spooled < int(temporary[1]) << 20 < int(service["mem_limit"].removesuffix("m")) << 20
        assert not service.get("ports")


# Kubernetes

MANIFESTS = sorted(path.name for path in DEPLOY.glob("kubernetes/*.yaml"))


@pytest.mark.parametrize("version", ["1.34", "1.37"])
@pytest.mark.parametrize("file", MANIFESTS)
def test_kubernetes_takes_the_manifest(file: str, version: str) -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="pip install kubernetes-validate").validate
    validate(manifest(f"kubernetes/{file}"), version, strict=True)


def test_the_manifests_name_each_other() -> None:
    kinds = {made["kind"]: made for made in (manifest(f"kubernetes/{file}") for file in MANIFESTS)}
    deployment, service = kinds["Deployment"], kinds["Service"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    assert service["spec"]["selector"] == labels
    assert kinds["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == labels
    (port,) = service["spec"]["ports"]
    assert port["targetPort"] in {each["name"] for each in container()["ports"]}
    (rule,) = kinds["Ingress"]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": service["metadata"]["name"], "port": {"name": port["name"]}}
    scaler = kinds["HorizontalPodAutoscaler"]["spec"]
    assert scaler["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert "replicas" not in deployment["spec"], "each `kubectl apply` would undo what the autoscaler did"
    assert scaler["minReplicas"] > kinds["PodDisruptionBudget"]["spec"]["maxUnavailable"]


def probe_timeout(probe: dict[str, Any]) -> int:
    """How long a probe has to fail until it counts."""
    return int(probe["periodSeconds"] * probe["failureThreshold"])


def test_the_times_of_the_pod_fit_each_other() -> None:
    pod, settings = manifest("kubernetes/deployment.yaml")["spec"]["template"]["spec"], settings_of(of_kubernetes())
    hook = container().get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert pod["terminationGracePeriodSeconds"] >= hook + longest_end(settings) + MARGIN
    probes = {name: container()[f"{name}Probe"] for name in ("startup", "readiness", "liveness")}
    for probe in probes.values():
        assert probe["httpGet"] == {"path": settings["health_path"], "port": "http"}
    assert probe_timeout(probes["startup"]) > len(settings["apps"]) * settings["lifespan_timeout"]
    assert probe_timeout(probes["readiness"]) < hook + settings["drain_delay"]
    assert probe_timeout(probes["liveness"]) > hook + longest_end(settings)


def test_the_pod_may_do_little() -> None:
    pod = manifest("kubernetes/deployment.yaml")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert f"USER {pod['securityContext']['runAsUser']}:" in text("docker/Dockerfile")
    confined = container()["securityContext"]
    assert confined == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounted = {each["mountPath"]: each["name"] for each in container()["volumeMounts"]}
    assert mounted["/tmp"] in {volume["name"] for volume in pod["volumes"]}


# Proxies


def found(file: str, pattern: str) -> float:
    """The time that the first group of `pattern` says in a file, in seconds."""
    match = re.search(pattern, text(file), re.MULTILINE)
    assert match, f"{file} has no {pattern}"
    return parse_duration(match[1])


SHORTER = [
    ("nginx/nginx.conf", r"^ +keepalive_timeout (\S+);"),
    ("caddy/Caddyfile", r"^\t+keepalive (\S+)"),
    ("envoy/envoy.yaml", r"^ +common_http_protocol_options: \{ idle_timeout: (\S+) \}\n +explicit_http_config"),
    ("haproxy/haproxy.cfg", r"pool-purge-delay (\S+)"),
]
LONGER = [
    ("nginx/stream.conf", r"proxy_timeout (\S+);"),
    ("haproxy/passthrough.cfg", r"timeout client (\S+)"),
    ("haproxy/passthrough.cfg", r"timeout server (\S+)"),
]


def test_who_asks_closes_idle_connections_first() -> None:
    idle = Config().keep_alive_timeout
    for file, pattern in SHORTER:
        assert found(file, pattern) < idle, file
    for file, pattern in LONGER:
        assert found(file, pattern) > idle, file


def test_proxies_notice_a_leaving_server_within_its_delay() -> None:
    delay = settings_of(of_systemd())["drain_delay"]
    for file in ("haproxy/haproxy.cfg", "haproxy/passthrough.cfg"):
        checks = re.search(r"inter (\d+)s fall (\d+)", text(file))
        assert checks
        assert int(checks[1]) * int(checks[2]) < delay
    assert found("nginx/nginx.conf", r"fail_timeout=(\S+);") < delay
    assert (
        found("caddy/Caddyfile", r"health_interval (\S+)") + found("caddy/Caddyfile", r"health_timeout (\S+)") < delay
    )
    assert found("envoy/envoy.yaml", r"^ +interval: (\S+)") + found("envoy/envoy.yaml", r"^ +timeout: (1s)") < delay


def test_every_file_is_named_on_the_page() -> None:
    for path in DEPLOY.rglob("*"):
        if path.is_file() and path.name != "README.md":
            name = str(path.relative_to(DEPLOY))
            assert name in PAGE + text("README.md"), name


# The page


def test_defaults_on_the_page_are_the_servers() -> None:
    rows = re.findall(r"^\| `--([\w-]+)` \| ([^|]+) \|", PAGE, re.MULTILINE)
    assert len(rows) >= 6
    for flag, shown in rows:
        assert parse_duration(shown.strip()) == getattr(Config(), flag.replace("-", "_")), flag
