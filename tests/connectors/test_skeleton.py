"""The skeleton that `consignd connectors new` writes: it works as written, and overwrites nothing."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from connectors.kit.skeleton import write_skeleton
from core.errors import InvalidInput
from tests.connectors.installed_package import install, pytest_run, python


def files_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "acme"
    write_skeleton("acme_shop", folder)
    return folder


def test_it_writes_a_whole_package_and_names_its_files(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "acme"
    written = write_skeleton("acme_shop", folder)
    assert {str(path.relative_to(folder)) for path in written} == files_in(folder)
    assert files_in(folder) == {
        "README.md",
        "acme_shop_connector.py",
        "acme_shop_sandbox.py",
        "pyproject.toml",
        "tests/test_acme_shop.py",
    }


def test_no_placeholder_is_left(package: Path) -> None:
    for name in files_in(package):
        text = (package / name).read_text(encoding="utf-8")
        assert not re.search(r"\$\{?[a-z]", text), name


def test_it_passes_its_own_contract_tests_when_installed(package: Path, tmp_path: Path) -> None:
    into = tmp_path / "pip"
    into.mkdir()
    installed = install(package, into)
    (package / "acme_shop_connector.py").unlink()
    (package / "acme_shop_sandbox.py").unlink()
    report = pytest_run(package / "tests" / "test_acme_shop.py", path=installed, folder=package)
    assert " passed" in report
    load = "from connectors.kit.registry import load_connector; print(load_connector('acme_shop').title)"
    assert python(["-c", load], path=installed, folder=into).stdout == "Acme Shop\n"


@pytest.mark.parametrize(
    "tool",
    [["ruff", "check"], ["ruff", "format", "--check"], ["mypy", "--strict", "--follow-imports=silent"]],
)
def test_it_is_written_in_the_house_style(package: Path, tool: list[str]) -> None:
    house = Path(__file__).parents[2]
    options = ["--config", str(house / "pyproject.toml")] if tool[0] == "ruff" else ["--config-file", ""]
    done = subprocess.run(
        [sys.executable, "-m", *tool, *options, "."],
        cwd=package,
        env={**os.environ, "MYPYPATH": str(house)},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "name",
    ["", "Acme", "acme-shop", "9acme", "_acme", "acme_", "acme__shop", "a b", "../acme", "ácme", "a" * 41],
)
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="such as acme"):
        write_skeleton(name, tmp_path)
    assert files_in(tmp_path) == set()


@pytest.mark.parametrize(("name", "why"), [("class", "word of Python"), ("eneba", "taken")])
def test_a_name_that_means_something_else_is_refused(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=why):
        write_skeleton(name, tmp_path)
    assert files_in(tmp_path) == set()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    mine = tmp_path / "README.md"
    mine.write_text("mine")
    with pytest.raises(InvalidInput, match="not overwritten"):
        write_skeleton("acme", tmp_path)
    assert files_in(tmp_path) == {"README.md"}
    assert mine.read_text() == "mine"


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "acme"
    file.write_text("mine")
    with pytest.raises(InvalidInput, match="is a file"):
        write_skeleton("acme", file)
