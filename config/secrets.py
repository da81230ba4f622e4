"""Fetches the secrets that settings only point at, { env = "NAME" } or { file = "PATH" }."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr

from config.problems import KeyPath
from config.secret_names import names_secret, names_secrets

_SECRET_BYTES = 64 * 1024


class SecretMissing(Exception):
    """A secret is not where the settings point; the text says what to write."""


@dataclass(slots=True)
class Resolver:
    """Replaces pointers to secrets by the secrets; what it meets on the way is collected, not raised."""

    environ: Mapping[str, str]
    base: Path  # relative paths of secret files start here: the folder of the settings file
    problems: list[tuple[KeyPath, str]] = field(default_factory=list)
    warnings: list[tuple[KeyPath, str]] = field(default_factory=list)
    fetched: dict[KeyPath, str] = field(default_factory=dict)  # where each secret really came from
    literal: list[KeyPath] = field(default_factory=list)

    def resolve(self, value: object, path: KeyPath = (), *, secret: bool = False) -> object:
        """The same tree with every secret in its place; `secret` says that a name around it is a secret's."""
        secret = secret or _is_secret(path)
        if isinstance(value, dict):
            if _may_point(path) and len(value) == 1 and (pointed := self._pointed(value, path)) is not None:
                return pointed
            return {name: self.resolve(part, (*path, name), secret=secret) for name, part in value.items()}
        if isinstance(value, list):
            return [self.resolve(part, (*path, at), secret=secret) for at, part in enumerate(value)]
        if secret and isinstance(value, str):
            self.literal.append(path)
            return SecretStr(value)
        return value

    def _pointed(self, value: Mapping[str, object], path: KeyPath) -> object:
        ((kind, name),) = value.items()
        if kind not in ("env", "file") or not isinstance(name, str):
            return None
        try:
            text = self._from_environment(name) if kind == "env" else self._from_file(name, path)
        except SecretMissing as missing:
            self.problems.append((path, str(missing)))
            return dict(value)
        self.fetched[path] = f"environment {name}" if kind == "env" else f"file {name}"
        return SecretStr(text)

    def _from_environment(self, name: str) -> str:
        if text := self.environ.get(name, ""):
            return text
        raise SecretMissing(
            f'the environment has no {name}: set {name}, or point to {{ file = "/run/secrets/..." }}'
        )

    def _from_file(self, name: str, path: KeyPath) -> str:
        file = self.base / Path(name)
        try:
            with file.open("rb") as opened:
                raw = opened.read(_SECRET_BYTES + 1)
                open_to_all = bool(os.fstat(opened.fileno()).st_mode & stat.S_IROTH)
            text = raw.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise SecretMissing(
                f"{file} is not UTF-8 text: write the secret as text, keys as base64"
            ) from None
        except (OSError, ValueError) as refused:
            reason = refused.strerror if isinstance(refused, OSError) else "not a path"
            raise SecretMissing(
                f"{file} cannot be read ({reason}): write the secret into it, or point elsewhere"
            ) from None
        if not text or len(raw) > _SECRET_BYTES:
            raise SecretMissing(
                f"{file} is {'empty' if not text else 'larger than 64 KiB'}: write the secret into it"
            )
        if open_to_all:
            self.warnings.append((path, f"{file} may be read by everyone on this machine: chmod 600 {file}"))
        return text


def _is_option(path: KeyPath) -> bool:
    return len(path) > 3 and path[0] == "channels" and path[2] == "options"


def _is_named_secret(path: KeyPath) -> bool:
    return (
        path == ("database_url",)
        or (len(path) == 3 and path[:2] == ("keys", "files"))
        or (len(path) == 4 and path[:2] == ("api", "tokens") and path[3] == "token")
        or (len(path) == 4 and path[:2] == ("alerts", "routes") and path[3] == "url")
    )


def _may_point(path: KeyPath) -> bool:
    return _is_option(path) or _is_named_secret(path)


def _is_secret(path: KeyPath) -> bool:
    if _is_option(path):
        name = str(path[-1])
        return names_secret(name) or names_secrets(name)
    return _is_named_secret(path)
