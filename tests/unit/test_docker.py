"""Image and compose file agree with each other, with the settings, and with what a careful host expects."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from config.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (DOCKER / "compose.yaml").read_text(encoding="utf-8")
IGNORE = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()


def test_the_image_is_slim_and_runs_as_nobody_in_particular() -> None:
    stages = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert stages == ["python:3.11-slim", "python:3.11-slim"]
    last_stage = DOCKERFILE.rsplit("\nFROM ", 1)[1]
    assert re.search(r"^USER 10001:10001$", last_stage, re.MULTILINE)
    assert "pip install" not in last_stage


def test_every_dependency_of_the_image_is_pinned_by_hash() -> None:
    installs = re.findall(r"pip install (.+)", DOCKERFILE)
    assert [line.split()[0] for line in installs] == ["--require-hashes", "--no-build-isolation"]
    assert "--no-deps" in installs[1]


def test_the_image_tells_its_health_where_the_daemon_listens() -> None:
    assert re.search(r"HEALTHCHECK .*\\\n\s+CMD .*CONSIGND_WEB__PORT.*/health", DOCKERFILE)
    assert "CONSIGND_WEB__PORT=8080" in DOCKERFILE
    assert "EXPOSE 8080" in DOCKERFILE


def test_what_is_copied_exists_and_is_sent_to_the_builder() -> None:
    for line in re.findall(r"^COPY (?!--from)(?:--chmod=\d+ )?(.+)$", DOCKERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source}" in IGNORE, f"{source} is not let through by .dockerignore"
    assert "*" in IGNORE
    assert not any("secret" in line for line in IGNORE if line.startswith("!"))


def test_the_packages_of_the_image_are_the_packages_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = {name.rstrip("*") for name in project["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert packages == set(re.findall(r"^COPY (\w+)/ \w+/$", DOCKERFILE, re.MULTILINE))


def test_the_composed_settings_are_accepted(tmp_path: Path) -> None:
    """Only where the secrets lie is another place here."""
    secrets = re.findall(r'"/run/secrets/(\w+)"', (DOCKER / "consignd.toml").read_text(encoding="utf-8"))
    text = (DOCKER / "consignd.toml").read_text(encoding="utf-8").replace("/run/secrets", str(tmp_path))
    for name in secrets:
        (tmp_path / name).write_text("a" * 43 + "=\n", encoding="utf-8")
        (tmp_path / name).chmod(0o400)
    (tmp_path / "consignd.toml").write_text(text, encoding="utf-8")
    environment = dict(re.findall(r"^\s+(CONSIGND_\w+)[:=] ?([^\s\\]+)", DOCKERFILE + COMPOSE, re.MULTILINE))
    environment["CONSIGND_CONFIG"] = str(tmp_path / "consignd.toml")
    settings = Settings.load(environ=environment)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://consignd@postgres:5432/consignd"
    assert (settings.web.host, settings.web.port) == ("0.0.0.0", 8080)
    assert str(settings.data_dir) == "/var/lib/consignd"
    assert list(settings.keys.files) == ["k1"]


def test_the_compose_file_keeps_its_secrets_in_files_and_its_port_on_the_host() -> None:
    assert "image: postgres:16\n" in COMPOSE
    assert "POSTGRES_PASSWORD_FILE: /run/secrets/postgres_password" in COMPOSE
    assert "condition: service_healthy" in COMPOSE
    assert '"127.0.0.1:8080:8080"' in COMPOSE
    declared = set(re.findall(r"file: \./secrets/(\w+)", COMPOSE))
    pointed = set(re.findall(r"/run/secrets/(\w+)", COMPOSE + (DOCKER / "consignd.toml").read_text("utf-8")))
    assert declared == pointed == {"postgres_password", "sealing_key", "owner_token"}
    assert not re.search(r"password: *[^/\s]|PASSWORD: ", COMPOSE)
    assert "\t" not in COMPOSE
    assert "docker/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("password", ["plain", "a b'c\"d$e%f"])
def test_the_entrypoint_becomes_consignd_with_the_password_of_the_file(tmp_path: Path, password: str) -> None:
    program = tmp_path / "consignd"
    program.write_text('#!/bin/sh\nprintf "%s|%s|%s" "$PGPASSWORD" "${PGPASSWORD_FILE-gone}" "$*"\n')
    program.chmod(0o755)
    (tmp_path / "password").write_text(password + "\n", encoding="utf-8")
    done = subprocess.run(
        [DOCKER / "entrypoint.sh", "import", "my codes.csv"],
        env={
            "PATH": f"{tmp_path}:{os.environ['PATH']}",
            "PGPASSWORD_FILE": str(tmp_path / "password"),
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{password}|gone|import my codes.csv"


def test_the_entrypoint_ends_when_the_password_cannot_be_read() -> None:
    done = subprocess.run(
        [DOCKER / "entrypoint.sh"],
        env={"PATH": os.environ["PATH"], "PGPASSWORD_FILE": "/nowhere"},
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
    assert b"/nowhere" in done.stderr
