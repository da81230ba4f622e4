"""A connector package from outside: installed by pip, found by entry point, held to the contract."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

from tests.connectors.installed_package import install, pytest_run, python

OUTSIDE = Path(__file__).parent / "outside"
# All that a connector needs of consignd, and what its sandbox needs besides.
OURS = ("connectors.kit", "core.types", "core.money", "core.errors")
OURS_FOR_A_SANDBOX = (*OURS, "connectors.sandbox")
LIBRARIES = ("aiohttp", "pydantic")

LOAD = """
import json
from connectors.kit.abilities import abilities_of
from connectors.kit.registry import installed_connectors, load_connector

harbour = load_connector("harbour")
print(json.dumps({
    "names": list(installed_connectors()),
    "class": harbour.__name__,
    "contract": harbour.traits.contract,
    "abilities": abilities_of(harbour),
}))
"""

ASK_FOR_ANOTHER = """
from connectors.kit.errors import OptionsRefused
from connectors.kit.registry import load_connector

try:
    load_connector("harbor")
except OptionsRefused as error:
    print(error)
"""


def imported(file: Path) -> set[str]:
    """The modules that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file.name} imports relatively"
            names.add(node.module or "")
    return names


def foreign(file: Path, ours: tuple[str, ...]) -> set[str]:
    """The imported modules that are neither Python's, nor a library, nor among those of ours."""
    allowed = (*ours, *LIBRARIES)
    return {
        name
        for name in imported(file)
        if name.partition(".")[0] not in sys.stdlib_module_names
        and not any(name == each or name.startswith(f"{each}.") for each in allowed)
    }


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(OUTSIDE, tmp_path_factory.mktemp("outside"))


def test_it_imports_only_the_kit_and_the_words_of_the_trade() -> None:
    assert foreign(OUTSIDE / "harbour_connector.py", OURS) == set()
    assert foreign(OUTSIDE / "harbour_sandbox.py", OURS_FOR_A_SANDBOX) == set()


def test_the_scan_notices_what_is_not_allowed(tmp_path: Path) -> None:
    file = tmp_path / "sly.py"
    file.write_text("def f():\n    from core.codes.vault import open\n    import core.errorsome, json\n")
    assert foreign(file, OURS) == {"core.codes.vault", "core.errorsome"}


def test_it_is_found_by_its_entry_point_beside_ours(installed: Path) -> None:
    done = python(["-c", LOAD], path=installed, folder=installed)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"eneba", "harbour", "kinguin", "woocommerce"} <= set(found["names"])
    assert (found["class"], found["contract"]) == ("Harbour", "uploaded")
    assert found["abilities"] == [
        "publish offers",
        "list offers",
        "receive callbacks",
        "register callbacks",
        "deliver codes",
        "cancel orders",
        "quote fees",
        "report payouts",
    ]


def test_a_name_that_is_not_installed_is_refused_with_those_that_are(installed: Path) -> None:
    done = python(["-c", ASK_FOR_ANOTHER], path=installed, folder=installed)
    assert done.returncode == 0, done.stderr
    assert "'harbor' is not installed" in done.stdout
    assert "harbour" in done.stdout


def test_it_passes_the_contract_suite(installed: Path) -> None:
    source = installed.parent / "source"
    report = pytest_run(source / "harbour_contract.py", path=installed, folder=source)
    assert "does not inherit PullsOrders" in report
    assert "does not inherit AnswersReservations" in report
    assert " passed" in report
