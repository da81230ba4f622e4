"""Decides who may call the API: those configured, or else whoever can read one file in the data directory."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from config.settings import Settings
from core.errors import InvalidInput
from web.access import Role, Token, token_hash

_FILE_NAME = "api-token"
_NAME = "local"
_BYTES = 32
_SHORTEST_CHARACTERS = 16


def api_tokens(settings: Settings) -> Mapping[str, Token]:
    """The tokens that are let in, by their hash; without configured ones an admin's is made and kept."""
    if settings.api.tokens:
        return {
            token_hash(token.token.get_secret_value()): Token(token.name, Role(token.role))
            for token in settings.api.tokens
        }
    return {token_hash(local_token(settings)): Token(_NAME, Role.ADMIN)}


def token_file(settings: Settings) -> Path:
    """Where the token is that nobody configured."""
    return settings.data_dir / _FILE_NAME


def local_token(settings: Settings) -> str:
    """The data directory's own token, made when it is first wanted."""
    path = token_file(settings)
    _make(path)
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: the API's token cannot be read ({error}); delete the file") from None
    if len(token) < _SHORTEST_CHARACTERS:
        raise InvalidInput(f"{path}: holds no token of {_SHORTEST_CHARACTERS} characters; delete the file")
    return token


def _make(path: Path) -> None:
    """Write a new token, whole or not at all; one that is there stays, or was just made by another daemon."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(_BYTES) + "\n")
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()
