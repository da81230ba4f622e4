"""The kit's README is true: its example passes the contract, and its tables name everything there is."""

from __future__ import annotations

import inspect
import re
from dataclasses import fields
from pathlib import Path

import pytest

from connectors.kit import abilities, errors, traits
from tests.connectors.installed_package import pytest_run

README = Path(abilities.__file__).with_name("README.md")


@pytest.fixture(scope="module")
def text() -> str:
    return README.read_text(encoding="utf-8")


def test_the_example_passes_the_contract(text: str, tmp_path: Path) -> None:
    blocks = re.findall(r"```python (\w+\.py)\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    for name, source in blocks:
        (tmp_path / name).write_text(source, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n", encoding="utf-8")
    report = pytest_run(tmp_path / "test_pennyshop.py", path=tmp_path, folder=tmp_path)
    assert re.search(r"\d\d passed", report)


def test_every_ability_is_in_the_table(text: str) -> None:
    for name, ability in abilities.ABILITIES.items():
        assert f"| {name} | `{ability.__name__}` |" in text


def test_every_error_is_in_the_table(text: str) -> None:
    named = [
        name
        for name, error in inspect.getmembers(errors, inspect.isclass)
        if issubclass(error, Exception)
        and error.__module__ == errors.__name__
        and error is not errors.ChannelError
    ]
    assert len(named) >= 9
    for name in named:
        assert f"| `{name}` |" in text


def test_every_trait_is_in_the_table(text: str) -> None:
    for trait in fields(traits.Traits):
        assert f"| `{trait.name}` |" in text


def test_every_error_is_in_the_tree_at_the_top_of_its_file() -> None:
    tree = errors.__doc__ or ""
    for name, error in inspect.getmembers(errors, inspect.isclass):
        if issubclass(error, Exception) and error.__module__ == errors.__name__:
            assert name in tree
