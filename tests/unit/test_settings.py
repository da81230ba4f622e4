"""Proves that settings are read whole, and that every mistake is told with its place and its mending."""

from __future__ import annotations

import base64
import contextlib
import json
import os
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

import config
from config.problems import SettingsRefused
from config.settings import Settings
from config.stock import Buffer

KEY = base64.b64encode(bytes(range(32))).decode()
SPLITS = '[splits.default]\nrules = [{ party = "consignor", rest = true }]\n'
CHANNEL = SPLITS + '[channels.eneba]\nconnector = "eneba"\ncurrency = "EUR"\n'
KNOWN = ", ".join(Settings.model_fields)
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


def test_without_a_file_there_are_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = Settings.load(None, {"XDG_DATA_HOME": "/data"})
    assert found.database_url is None
    assert (found.web.host, found.web.port, found.web.public_url) == ("127.0.0.1", 8080, None)
    assert found.channels == {}
    assert found.keys.files == {}
    assert found.origin(("web", "port")) == "default"
    assert found.warnings == ()


def test_the_data_directory_has_a_place_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    if os.geteuid() != 0 or not Path("/var/lib/consignd").is_dir():
        assert Settings.load(None, {"XDG_DATA_HOME": "/data"}).data_dir == Path("/data/consignd")
        assert Settings.load(None, {"HOME": "/home/x"}).data_dir == Path("/home/x/.local/share/consignd")
    assert Settings.load(None, {"CONSIGND_DATA_DIR": "/srv"}).data_dir == Path("/srv")


def test_the_file_is_found_by_argument_then_variable_then_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, port in [("consignd.toml", 1), ("named.toml", 2), ("given.toml", 3)]:
        (tmp_path / name).write_text(f"[web]\nport = {port}\n")
    named = {"CONSIGND_CONFIG": str(tmp_path / "named.toml")}
    assert Settings.load(None, {}).web.port == 1
    assert Settings.load(None, named).web.port == 2
    assert Settings.load(tmp_path / "given.toml", named).web.port == 3


def test_the_environment_goes_before_the_file(write: Write) -> None:
    file = write('database_url = { env = "ABSENT" }\n[web]\nhost = "::1"\nport = 1\n')
    found = Settings.load(
        file,
        {
            "CONSIGND_WEB__PORT": "9090",
            "CONSIGND_DATABASE_URL": "postgresql://u:p@h/d",
            "CONSIGND_LOG__LEVEL": "",
        },
    )
    assert (found.web.host, found.web.port, found.log.level) == ("::1", 9090, "info")
    assert found.origin(("web", "port")) == "environment CONSIGND_WEB__PORT"
    assert found.origin(("web", "host")) == f"{file}:3"
    assert found.origin(("database_url",)) == "environment CONSIGND_DATABASE_URL"


def test_a_channel_can_be_completed_from_the_environment(write: Write) -> None:
    found = Settings.load(
        write(CHANNEL),
        {
            "CONSIGND_CHANNELS__ENEBA__OPTIONS__CLIENT_SECRET": "123456",
            "CONSIGND_CHANNELS__ENEBA__POLL_INTERVAL_SECONDS": "2.5",
            "CONSIGND_API__TOKENS": '[{"name": "a", "role": "viewer", "token": "0123456789abcdef"}]',
            "CONSIGND_CHANNELS__ENEBA__STOCK": '{"share": 0.1}',
            "CONSIGND_KEYS__FILES__K1": KEY,
        },
    )
    channel = found.channels["eneba"]
    assert channel.plain_options() == {"client_secret": "123456"}
    assert channel.poll_interval_seconds == 2.5
    assert channel.stock.share == Decimal("0.1")
    assert found.api.tokens[0].token.get_secret_value() == "0123456789abcdef"
    assert found.keys.files["k1"].get_secret_value() == KEY


def test_decimals_never_pass_through_a_float(write: Write) -> None:
    text = '[stock]\nshare = 0.1\n[price]\nmarkup_percent = "3.3"\n' + CHANNEL + "options = { rate = 0.30 }\n"
    found = Settings.load(write(text), {})
    assert str(found.stock.share) == "0.1"
    assert found.price.markup_percent == Decimal("3.3")
    assert str(found.channels["eneba"].plain_options()["rate"]) == "0.30"


def test_a_channel_overrides_only_what_it_says(write: Write) -> None:
    text = (
        "[stock]\ncap = 9\nbuffer = 3\n[price]\nmarkup_percent = 5\nrounding_minor = 100\nending_minor = 99\n"
        + CHANNEL
        + "stock = { share = 0.5, buffer = 0 }\nprice = { rounding_minor = 10 }\n"
    )
    found = Settings.load(write(text), {})
    stock, price = found.channels["eneba"].stock, found.channels["eneba"].price
    assert (stock.share, stock.cap, stock.buffer) == (Decimal("0.5"), None, Buffer(codes=0))
    assert (price.markup_percent, price.rounding_minor, price.ending_minor) == (None, 10, None)
    assert (found.price.markup_percent, found.price.ending_minor) == (Decimal(5), 99)


def test_all_mistakes_of_a_file_are_told_at_once_in_its_order(write: Write) -> None:
    file = write(
        'xyzzy = 1\n_env_file = "x"\ndatabase_url = { env = "NOPE" }\n[web]\nport = "abc"\n'
        '[channels.eneba]\nconnector = "eneba"\ncurrency = "eur"\npol_interval = 3\nstock = { share = 1.5 }\n'
        'options = { client_secret = { file = "gone" }, region = { env = "NOWHERE" } }\n'
    )
    found = refusal(file, CONSIGND_LOG__LEVLE="x", CONSIGND_SYNC="{")
    assert found == [
        f"consignd.toml:1: xyzzy: unknown key; known here: {KNOWN}",
        f"consignd.toml:2: _env_file: unknown key; known here: {KNOWN}",
        "consignd.toml:3: database_url: the environment has no NOPE: set NOPE, "
        'or point to { file = "/run/secrets/..." }',
        "consignd.toml:5: web.port: wrong type: write a whole number, not a text",
        "consignd.toml:6: channels.eneba.split: no split plan is named default: "
        "write [splits.default] with its rules",
        "consignd.toml:8: channels.eneba.currency: not a currency: write three capital letters, such as EUR",
        "consignd.toml:9: channels.eneba.pol_interval: unknown key; did you mean poll_interval_seconds?",
        "consignd.toml:10: channels.eneba.stock.share: write a number less than or equal to 1",
        "consignd.toml:11: channels.eneba.options.client_secret: gone cannot be read "
        "(No such file or directory): write the secret into it, or point elsewhere",
        "consignd.toml:11: channels.eneba.options.region: the environment has no NOWHERE: set NOWHERE, "
        'or point to { file = "/run/secrets/..." }',
        "CONSIGND_LOG__LEVLE: log.levle: unknown key; did you mean level?",
        "CONSIGND_SYNC: sync: wrong type: write a table, not a text",
    ]


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('[web]\nport = "80a"', 2, "web.port: wrong type: write a whole number, not a text"),
        ("[web]\nport = true", 2, "web.port: wrong type: write a number, not true or false"),
        ("[web]\nport = 70000", 2, "web.port: write a number less than or equal to 65535"),
        ("[web]\nhost = 1", 2, "web.host: wrong type: write a text in quotes, not a whole number"),
        ('[web]\nhost = { env = "X" }', 2, "the variable CONSIGND_WEB__HOST sets this key too"),
        ("web = 1", 1, "web: wrong type: write a table, not a whole number"),
        ('[web]\npublic_url = "http://shop.example.com"', 2, "begins with https://"),
        ('[web]\npublic_url = "shop"', 2, "https://consignd.example.com"),
        ('[web]\npublic_url = "https://[::1"', 2, "not an address"),
        ('[log]\nlevel = "loud"', 2, 'log.level: write "debug", "info", "warning", "error" or "critical"'),
        ('database_url = "mysql://h/d"', 1, "postgresql://user:password@host:5432/database"),
        ('database_url = { evn = "X" }', 1, '{ env = "NAME" } or { file = "PATH" }'),
        ("data_dir = 3", 1, "data_dir: wrong type"),
        ('[keys.files]\nk1 = "c2hvcnQ="', 2, "openssl rand -base64 32"),
        ('[keys.files]\nk1 = "%%%"', 2, "keys.files.k1: not a key"),
        (f'[keys]\ncurrent = "k2"\n[keys.files]\nk1 = "{KEY}"', 1, "no key named k2"),
        (f'[keys.files]\nK1 = "{KEY}"', 2, "keys.files.K1: not a name"),
        ('[[api.tokens]]\nname = "a"\nrole = "viewer"', 1, "api.tokens[0].token: missing: write token = ..."),
        ('[[api.tokens]]\nname = "a"\nrole = "viewer"\ntoken = "short"', 4, "at least 16"),
        ('[[api.tokens]]\nname = "a"\nrole = "root"\ntoken = "0123456789abcdef"', 3, '"viewer", "operator"'),
        ("[sync]\nlanes = 0", 2, "sync.lanes: write a number greater than or equal to 1"),
        ("[sync]\nlease_seconds = 0", 2, "sync.lease_seconds: write a number greater than 0"),
        ("[sync]\nlease_seconds = inf", 2, "sync.lease_seconds"),
        ("[stock]\nshare = nan", 2, "stock.share"),
        ("[stock]\nshare = -0.1", 2, "stock.share: write a number greater than or equal to 0"),
        ("[stock]\ncap = 1.5", 2, "stock.cap: wrong type: write a whole number"),
        ("[stock]\nbuffer = -1", 2, "stock.buffer"),
        (
            "[price]\nmarkup_percent = 1979-05-27",
            2,
            "price.markup_percent: wrong type: write a number, not a date",
        ),
        ("[price]\nending_minor = 99", 1, "ending_minor must be below rounding_minor"),
        (CHANNEL + 'shortage = "panic"', 6, 'channels.eneba.shortage: write "wait" or "cancel"'),
        (
            CHANNEL + "shortage_patience_minutes = -1",
            6,
            "channels.eneba.shortage_patience_minutes: write a number",
        ),
        (CHANNEL + "shortage_patience_minutes = nan", 6, "channels.eneba.shortage_patience_minutes"),
        (CHANNEL + "shortage_patience_minutes = true", 6, "channels.eneba.shortage_patience_minutes"),
        (
            CHANNEL + 'enabled = "perhaps"',
            6,
            "channels.eneba.enabled: wrong type: write true or false, not a text",
        ),
        (CHANNEL + "options = 3", 6, "channels.eneba.options: wrong type: write a table"),
        (CHANNEL + 'split = "fancy"', 6, "write [splits.fancy] with its rules, or split = one of default"),
        (
            SPLITS + '[channels."Bad Name"]\nconnector = "x"\ncurrency = "EUR"',
            3,
            'channels."Bad Name": not a name',
        ),
        (
            SPLITS + "[channels.a]\ncurrency = 'EUR'",
            3,
            "channels.a.connector: missing: write connector = ...",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_its_mending(
    write: Write, text: str, line: int, said: str
) -> None:
    (found,) = refusal(write(text))
    assert found.startswith(f"consignd.toml:{line}: "), found
    assert said in found


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        ("[]", "the plan is empty"),
        ('[{ party = "operator", rate_percent = 5 }]', "exactly the last rule takes the rest"),
        (
            '[{ party = "operator", rest = true }, { party = "consignor", rest = true }]',
            "exactly the last rule",
        ),
        (
            '[{ party = "operator", rest = true }, { party = "consignor", fixed = 1, currency = "EUR" }]',
            "exactly",
        ),
        ('[{ party = "operator" }, { party = "consignor", rest = true }]', "the rule takes nothing"),
        ('[{ party = "operator", fixed = 1 }, { party = "consignor", rest = true }]', "need a currency"),
        ('[{ party = "consignor", rest = true, rate_percent = 3 }]', "remove its rate"),
        (
            '[{ party = "operator", base = "after_channel", fixed = 1, currency = "EUR" },'
            ' { party = "consignor", rest = true }]',
            "no channel",
        ),
        (
            '[{ party = "channel", rate_percent = 101 }, { party = "consignor", rest = true }]',
            "less than or equal to 100",
        ),
        (
            '[{ party = "channel", rate_percent = 1.00001 }, { party = "consignor", rest = true }]',
            "at most 4 decimals",
        ),
        (
            '[{ party = "channel", rate_percent = 1, minimum = 2, maximum = 1, currency = "EUR" },'
            ' { party = "consignor", rest = true }]',
            "minimum is above maximum",
        ),
        ('[{ party = "state", rest = true }]', '"channel", "operator" or "consignor"'),
    ],
)
def test_a_split_plan_that_contradicts_itself_is_refused(write: Write, rules: str, said: str) -> None:
    (found,) = refusal(write(f"[splits.default]\nrules = {rules}\n"))
    assert found.startswith("consignd.toml:")
    assert said in found


def test_two_tokens_of_one_name_or_one_value_are_refused(write: Write) -> None:
    one = '[[api.tokens]]\nname = "{}"\nrole = "viewer"\ntoken = "{}"\n'
    (same_name,) = refusal(write(one.format("a", "0" * 16) + one.format("a", "1" * 16)))
    assert "2 tokens are named a" in same_name
    (same_token,) = refusal(write(one.format("a", "0" * 16) + one.format("b", "0" * 16)))
    assert "same token" in same_token


class ShopOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")
    url: str
    consumer_key: SecretStr
    page_size: int = 100


def test_what_a_connector_refuses_among_its_options_is_placed_too(write: Write) -> None:
    file = write(CHANNEL + '[channels.eneba.options]\nconsumer_kye = "hush-hush"\npage_size = "many"\n')
    found = Settings.load(file, {"CONSIGND_CHANNELS__ENEBA__OPTIONS__CONSUMER_KEY": "7"})
    with pytest.raises(ValidationError) as refused:
        ShopOptions.model_validate(found.channels["eneba"].plain_options())
    problems = found.option_problems("eneba", refused.value, ShopOptions)
    assert [str(problem).removeprefix(f"{file}:") for problem in problems] == [
        "6: channels.eneba.options.url: missing: write url = ...",
        "7: channels.eneba.options.consumer_kye: unknown key; did you mean consumer_key?",
        "8: channels.eneba.options.page_size: wrong type: write a whole number, not a text",
    ]


def test_a_broken_file_is_told_with_its_place(write: Write, tmp_path: Path) -> None:
    assert refusal(write("[web]\nport = = 1")) == ["consignd.toml:2: not TOML at column 8: invalid value"]
    file = write("")
    file.write_bytes(b"[web]\nhost = '\xff'\n")
    assert refusal(file) == ["consignd.toml:2: not UTF-8: save the file as UTF-8"]
    assert "too large" in refusal(write("a = " + "9" * 5000))[0]
    assert "too large" in refusal(write("a = 1e" + "9" * 40))[0]
    assert "too large" in refusal(write("a = " + "[" * 5000))[0]
    assert "1 MiB" in refusal(write("#" * 1_100_000))[0]
    assert "cannot be read" in refusal(tmp_path / "gone.toml")[0]
    assert "cannot be read" in refusal(tmp_path)[0]


def test_a_byte_order_mark_and_windows_line_ends_are_read(write: Write) -> None:
    file = write("")
    file.write_bytes(b"\xef\xbb\xbf[web]\r\nport = 1\r\nprot = 2\r\n")
    assert refusal(file) == ["consignd.toml:3: web.prot: unknown key; did you mean port?"]


def test_a_variable_with_our_prefix_that_sets_nothing_is_a_warning(write: Write) -> None:
    file = write('database_url = { env = "CONSIGND_DSN" }\n')
    found = Settings.load(
        file, {"CONSIGND_DSN": "postgresql://h/d", "CONSIGND_QQQ": "1", "CONSIGND_WEBB__PORT": "1"}
    )
    assert [str(warning) for warning in found.warnings] == [
        f"CONSIGND_QQQ: sets nothing; unknown key; known here: {KNOWN}",
        "CONSIGND_WEBB__PORT: sets nothing; unknown key; did you mean web?",
    ]


TABLES: list[tuple[str, str]] = [
    ("", "{key} = 1\n"),
    *(
        (f"{name}.", f"[{name}]\n{{key}} = 1\n")
        for name in ("web", "log", "keys", "api", "sync", "stock", "price", "alerts")
    ),
    ("splits.p.", '[splits.p]\nrules = [{{ party = "consignor", rest = true }}]\n{key} = [1,\n2]\n'),
    ("splits.p.rules[0].", '[[splits.p.rules]]\nparty = "consignor"\nrest = true\n{key} = """a\nb"""\n'),
    ("channels.eneba.", CHANNEL.replace("{", "{{").replace("}", "}}") + "{key} = {{ a = 1 }}\n"),
    ("channels.eneba.stock.", CHANNEL.replace("{", "{{").replace("}", "}}") + "stock = {{ {key} = 1 }}\n"),
    ("channels.eneba.price.", CHANNEL.replace("{", "{{").replace("}", "}}") + "price.{key} = 1\n"),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(st.sampled_from(TABLES), st.from_regex(r"_{0,2}x[a-zA-Z0-9_-]{0,12}", fullmatch=True))
def test_every_unknown_key_gets_its_line(write: Write, table: tuple[str, str], key: str) -> None:
    prefix, text = table
    text = text.format(key=key)
    (found,) = refusal(write(text))
    line = next(at for at, content in enumerate(text.split("\n"), 1) if f"{key} =" in content)
    assert found.startswith(f"consignd.toml:{line}: {prefix}{key}: unknown key;")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
@given(
    st.recursive(
        st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda part: st.lists(part, max_size=2) | st.dictionaries(st.text(max_size=5), part, max_size=2),
        max_leaves=4,
    ),
    st.sampled_from(
        [
            "DATA_DIR",
            "WEB",
            "WEB__PORT",
            "CHANNELS",
            "CHANNELS__X__OPTIONS",
            "SPLITS",
            "API__TOKENS",
            "KEYS__FILES",
        ]
    ),
)
def test_no_value_in_the_environment_breaks_the_reader(write: Write, value: Any, name: str) -> None:
    with contextlib.suppress(SettingsRefused):
        Settings.load(write(""), {f"CONSIGND_{name}": json.dumps(value)})


def test_the_example_that_operators_copy_is_valid() -> None:
    example = Path(config.__file__).parent / "examples" / "consignd.toml"
    names = [
        *("CONSIGND_TOKEN_DASHBOARD", "CONSIGND_TOKEN_OWNER", "ENEBA_AUTH_ID", "ENEBA_AUTH_SECRET"),
        "ENEBA_CALLBACK_TOKEN",
        *("KINGUIN_CLIENT_SECRET", "KINGUIN_WEBHOOK_TOKEN", "WOOCOMMERCE_CONSUMER_KEY"),
        *("WOOCOMMERCE_CONSUMER_SECRET", "WOOCOMMERCE_WEBHOOK_SECRET"),
        *("ALERT_TEAM_URL", "ALERT_PHONE_URL"),
    ]
    environ = {name: f"json://value-of-{name.lower()}" for name in names}
    environ |= {"DATABASE_URL": "postgresql://u:p@h/d", "CONSIGND_KEY_K1": KEY}
    found = Settings.load(example, environ)
    assert {channel.connector for channel in found.channels.values()} == {"eneba", "kinguin", "woocommerce"}
    assert found.warnings == ()
    missing = refusal(example)
    assert len(missing) == len(environ)
    assert all(": the environment has no " in problem for problem in missing)
