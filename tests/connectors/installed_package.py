"""Moves a connector package into a folder as pip installs it, and runs Python there: no index, no network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_INSTALL_SECONDS = 90
_RUN_SECONDS = 110


def install(package: Path, into: Path) -> Path:
    """Install a package's folder with pip into a new folder beside it, and return that folder."""
    source = into / "source"
    shutil.copytree(package, source, ignore=shutil.ignore_patterns("__pycache__"))
    target = into / "installed"
    command = [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
        *("--no-deps", "--no-build-isolation", "--no-index", "--target", str(target), str(source)),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=_INSTALL_SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    return target


def python(arguments: Sequence[str], *, path: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run this Python in a folder, with another one importable."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )


def pytest_run(tests: Path, *, path: Path, folder: Path) -> str:
    """Run a file of tests by itself; the report, once all of them passed or were skipped."""
    done = python(
        ["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", "--rootdir", str(folder), str(tests)],
        path=path,
        folder=folder,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
