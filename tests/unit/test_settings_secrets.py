"""Proves that secrets are fetched from where the settings point, and that nothing ever shows them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from config.problems import SettingsRefused
from config.settings import Settings
from config.show import Effective, describe

KEY = base64.b64encode(bytes(range(32))).decode()
SPLITS = '[splits.default]\nrules = [{ party = "consignor", rest = true }]\n'
CHANNEL = SPLITS + '[channels.eneba]\nconnector = "eneba"\ncurrency = "EUR"\n'
Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(text: str) -> Path:
        file = tmp_path / "consignd.toml"
        file.write_text(text)
        file.chmod(0o600)
        return file

    return write


def refusal(file: Path, **environ: str) -> list[str]:
    """What an operator would read, without the folder in front."""
    with pytest.raises(SettingsRefused) as refused:
        Settings.load(file, environ)
    return [str(problem).replace(f"{file.parent}{os.sep}", "") for problem in refused.value.problems]


def test_secrets_come_from_the_environment_and_from_files_beside_the_settings(
    write: Write, tmp_path: Path
) -> None:
    secret = tmp_path / "dsn"
    secret.write_text("postgresql://u:p%40ss@h/d\n")
    secret.chmod(0o600)
    text = 'database_url = { file = "dsn" }\n' + CHANNEL
    text += (
        'options = { client_secret = { env = "S" }, nested = [{ any = { env = "S" } }], env = "sandbox" }\n'
    )
    found = Settings.load(write(text), {"S": "hush-hush"})
    assert found.database_url == SecretStr("postgresql://u:p%40ss@h/d")
    assert found.channels["eneba"].plain_options() == {
        "client_secret": "hush-hush",
        "nested": [{"any": "hush-hush"}],
        "env": "sandbox",
    }
    assert found.secret_values() == {"postgresql://u:p%40ss@h/d", "p%40ss", "p@ss", "hush-hush"}
    assert found.origin(("database_url",)).endswith("consignd.toml:1, from file dsn")
    assert found.warnings == ()


def test_options_that_are_one_key_named_like_a_pointer_stay_options(write: Write) -> None:
    found = Settings.load(write(CHANNEL + 'options = { env = "sandbox" }\n'), {})
    assert found.channels["eneba"].plain_options() == {"env": "sandbox"}


def test_a_secret_that_everyone_may_read_is_a_warning(write: Write, tmp_path: Path) -> None:
    (tmp_path / "dsn").write_text("postgresql://h/d")
    (tmp_path / "dsn").chmod(0o644)
    (warning,) = Settings.load(write('database_url = { file = "dsn" }'), {}).warnings
    assert (warning.line, warning.path) == (1, "database_url")
    assert "chmod 600" in warning.text
    file = write('database_url = "postgresql://h/d"')
    file.chmod(0o644)
    (warning,) = Settings.load(file, {}).warnings
    assert "chmod 600" in warning.text


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe", "not UTF-8"), (b"x" * 70_000, "64 KiB")],
)
def test_a_secret_file_without_a_secret_is_refused(
    write: Write, tmp_path: Path, content: bytes, said: str
) -> None:
    (tmp_path / "dsn").write_bytes(content)
    (found,) = refusal(write('database_url = { file = "dsn" }'))
    assert said in found


def test_a_secret_path_that_is_a_folder_or_no_path_is_refused(write: Write) -> None:
    assert "cannot be read" in refusal(write('database_url = { file = "." }'))[0]
    assert "cannot be read (not a path)" in refusal(write('database_url = { file = "\\u0000" }'))[0]


SECRETS = (
    'database_url = "postgresql://u:hunter22@h/d"\n'
    f'[keys.files]\nk1 = "{KEY}"\n'
    '[[api.tokens]]\nname = "a"\nrole = "admin"\ntoken = "token-0123456789"\n' + CHANNEL
) + 'options = { consumer_key = "ck_0123456", codes = ["LIST-OF-1"], url = "u", d.password = "deep-one" }\n'
CLEAR = ("hunter22", KEY, "token-0123456789", "ck_0123456", "LIST-OF-1", "deep-one")


def test_every_value_is_shown_with_its_origin_and_no_secret(write: Write) -> None:
    file = write(SECRETS)
    found = Settings.load(file, {"CONSIGND_WEB__PORT": "81", "CONSIGND_STOCK__CAP": "4"})
    shown = {effective.path: effective for effective in describe(found)}
    mask = "********"
    assert shown["database_url"] == Effective("database_url", mask, f"{file}:1")
    assert shown["keys.files.k1"] == Effective("keys.files.k1", mask, f"{file}:3")
    assert shown["api.tokens[0].token"].value_text == mask
    assert shown["api.tokens[0].role"] == Effective("api.tokens[0].role", '"admin"', f"{file}:6")
    assert shown["channels.eneba.options.d.password"].value_text == mask
    assert shown["channels.eneba.options.codes[0]"].value_text == mask
    assert shown["channels.eneba.options.url"].value_text == '"u"'
    assert shown["channels.eneba.split"] == Effective("channels.eneba.split", '"default"', "default")
    assert shown["channels.eneba.enabled"].value_text == "true"
    assert shown["web.port"] == Effective("web.port", "81", "environment CONSIGND_WEB__PORT")
    assert shown["stock.share"] == Effective("stock.share", "1", "default")
    assert shown["web.public_url"].value_text == "unset"
    assert len(shown) == len(describe(found))


def test_neither_repr_nor_dump_nor_show_has_a_secret(write: Write) -> None:
    found = Settings.load(write(SECRETS), {})
    assert set(CLEAR) <= found.secret_values()
    for text in (
        repr(found),
        str(found),
        str(found.model_dump()),
        found.model_dump_json(),
        repr(describe(found)),
    ):
        assert [secret for secret in CLEAR if secret in text] == []


def test_a_refusal_never_quotes_a_secret(write: Write) -> None:
    broken = (
        SECRETS.replace("postgresql:", "mysql:").replace(KEY, KEY[:-8]).replace("token-0123456789", "tok-01")
    )
    with pytest.raises(SettingsRefused) as refused:
        Settings.load(write(broken + "enabled = 7\n"), {"CONSIGND_API": '{"tokens": "tok-99"}'})
    text = f"{refused.value!r} {refused.value} {refused.value.problems}"
    assert [
        secret for secret in ("hunter22", KEY[:-8], "tok-01", "tok-99", "ck_0123456") if secret in text
    ] == []
    assert len(refused.value.problems) >= 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(st.from_regex(r"[A-Z]{4}[A-Za-z0-9%+/!-]{12,20}", fullmatch=True))
def test_no_token_is_ever_shown_whatever_it_is(write: Write, token: str) -> None:
    file = write("")
    environ = {
        "CONSIGND_API__TOKENS": f'[{{"name": "a", "role": "viewer", "token": "{token}"}}]',
        "CONSIGND_KEYS__FILES__K1": KEY,
    }
    found = Settings.load(file, environ)
    assert token in found.secret_values()
    assert token not in repr(found) + repr(describe(found))
    with pytest.raises(SettingsRefused) as refused:
        Settings.load(file, environ | {"CONSIGND_KEYS__FILES__K1": token})
    assert token not in str(refused.value)
