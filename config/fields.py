"""Decides which kinds of values settings are made of, and what a table of the file is."""

from __future__ import annotations

import base64
import binascii
import re
from decimal import Decimal
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

_NAME = re.compile(r"^[a-z0-9]+(?:[_-][a-z0-9]+)*$")
_CURRENCY = re.compile(r"^[A-Z]{3}$")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")
KEY_BYTES = 32
TOKEN_CHARACTERS = 16


def not_boolean(value: object) -> object:
    # Python counts true as 1; an operator who writes it means something else.
    if isinstance(value, bool):
        raise ValueError("wrong type: write a number, not true or false")
    return value


def _plain_name(name: str) -> str:
    # Names become parts of environment variables and callback addresses.
    if not _NAME.match(name):
        raise ValueError(
            "not a name: write small letters and digits, joined by single - or _, such as eneba-eu"
        )
    return name


def _currency(code: str) -> str:
    if not _CURRENCY.match(code):
        raise ValueError("not a currency: write three capital letters, such as EUR")
    return code


def lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _sealing_key(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    try:
        size = len(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        size = -1
    if size != KEY_BYTES:
        raise ValueError(
            f"not a key: write {KEY_BYTES} random bytes as base64, as `openssl rand -base64 32` prints"
        )
    return key


def _token(token: SecretStr) -> SecretStr:
    if len(token.get_secret_value()) < TOKEN_CHARACTERS:
        raise ValueError(
            f"too short: write at least {TOKEN_CHARACTERS} random characters (`openssl rand -hex 32`)"
        )
    return token


def _public_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError:
        host, user, parts = None, None, urlsplit("")
    if not host or user or parts.query or parts.fragment:
        raise ValueError("not an address: write it as https://consignd.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in _LOOPBACK):
        raise ValueError("marketplaces call over TLS only: write an address that begins with https://")
    return url.rstrip("/")


Name = Annotated[str, AfterValidator(_plain_name)]
Currency = Annotated[str, AfterValidator(_currency)]
Whole = Annotated[int, BeforeValidator(not_boolean), Field(ge=0, le=2**31 - 1)]
Port = Annotated[int, BeforeValidator(not_boolean), Field(ge=0, le=65535)]
Seconds = Annotated[float, BeforeValidator(not_boolean), Field(gt=0, le=31_536_000, allow_inf_nan=False)]
# Four decimals of a per cent are parts per million, the finest that core reckons in.
Percent = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=100, decimal_places=4)]
Markup = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=-100, le=10_000, decimal_places=4)]
Share = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=1, decimal_places=6)]
Bound = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=100, decimal_places=6)]
Amount = Annotated[Decimal, BeforeValidator(not_boolean), Field(ge=0, le=1_000_000_000, decimal_places=3)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
SealingKey = Annotated[SecretStr, AfterValidator(_sealing_key)]
Token = Annotated[SecretStr, AfterValidator(_token)]


class Table(BaseModel):
    """A table of the file: unknown keys are refused, and errors never quote what was written."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)
