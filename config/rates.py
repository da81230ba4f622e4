"""Decides what an operator may write about exchange rates: where they come from and how old they may be."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from config.fields import Currency, Name, Seconds, Table

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_PATH = re.compile(r"^[^.\s]+(\.[^.\s]+)*$")


def _source(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, user = parts.hostname, parts.username
    except ValueError:
        host, user, parts = None, None, urlsplit("")
    if not host or user or parts.scheme not in ("http", "https"):
        raise ValueError("not an address: write it as https://rates.example.com/daily")
    if parts.scheme == "http" and host not in _LOOPBACK:
        raise ValueError("prices hang on it, so it must not be changed on its way: write https://")
    return url


def _path(path: str) -> str:
    if not _PATH.match(path):
        raise ValueError("not a path: write names joined by dots, such as data.rates")
    return path


JsonPath = Annotated[str, AfterValidator(_path)]


class Rates(Table):
    """Exchange rates: told by hand and by file always, and fetched where a url is written.

    `ecb` reads the daily file of the European Central Bank, XML or CSV. `json` reads an object of currencies
    and numbers at `path`; what they are worth is one `base`, or what stands at `base_path`.
    """

    name: Name = "rates"
    url: Annotated[str, AfterValidator(_source)] | None = None
    format: Literal["ecb", "json"] = "ecb"
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    base: Currency | None = None
    base_path: JsonPath | None = None
    path: JsonPath | None = None
    time_path: JsonPath | None = None
    refresh_seconds: Seconds = 21_600.0
    # Through this currency pairs are crossed that nobody told; the ECB tells everything in EUR.
    pivot: Currency = "EUR"
    # After a weekend the ECB's rates are three days old.
    max_age_hours: Seconds = 96.0

    @model_validator(mode="after")
    def _says_what_json_means(self) -> Self:
        if self.format == "json" and self.url is not None:
            if self.path is None:
                raise ValueError('format json needs a path to the object of rates: write path = "rates"')
            if (self.base is None) == (self.base_path is None):
                raise ValueError(
                    'write either base = "EUR" or base_path = "base": the currency the rates are told in'
                )
        return self
