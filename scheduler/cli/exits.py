"""Decides with what number a command ends, so that scripts can tell what to do next."""

from __future__ import annotations

from enum import IntEnum

import asyncpg

from config.problems import SettingsRefused
from connectors.kit.errors import ChannelError, OptionsRefused
from core.errors import (
    Conflict,
    ConsigndError,
    DatabaseRefused,
    InvalidInput,
    KeyRefused,
    OutOfStock,
    Overloaded,
    SealBroken,
)


class Exit(IntEnum):
    """The numbers; they stay as they are, since operators script against them."""

    OK = 0
    VIOLATED = 1
    USAGE = 2
    SETTINGS = 3
    DATABASE = 4
    KEY = 5
    CONFLICT = 6
    CHANNEL = 7
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143

    @property
    def meaning(self) -> str:
        """What it tells, and what to do."""
        return _MEANINGS[self]


_MEANINGS = {
    Exit.OK: "done; an import whose refused rows are all reported is done too",
    Exit.VIOLATED: "`check` or `ledger verify` found a promise broken, or the demo did not end well",
    Exit.USAGE: "the command or what it was given is wrong: mend it, do not repeat it",
    Exit.SETTINGS: "the settings are refused; each line says where and what to write",
    Exit.DATABASE: "the database does not answer, or is not usable as it is",
    Exit.KEY: "a sealing key is missing, wrong or does not open what it should",
    Exit.CONFLICT: "the world moved on, or codes are short: look again, then repeat",
    Exit.CHANNEL: "a marketplace or an alert route refused, or does not answer",
    Exit.BUG: "our mistake: run it with --log-level debug and report the trace",
    Exit.INTERRUPTED: "interrupted by Ctrl-C; what was written before stands",
    Exit.TERMINATED: "told to end by SIGTERM; what was written before stands",
}

# The first that fits, so the narrow ones stand before their root.
_BY_ERROR: tuple[tuple[type[Exception], Exit], ...] = (
    (SettingsRefused, Exit.SETTINGS),
    (OptionsRefused, Exit.SETTINGS),
    (ChannelError, Exit.CHANNEL),
    (InvalidInput, Exit.USAGE),
    (Conflict, Exit.CONFLICT),
    (OutOfStock, Exit.CONFLICT),
    (Overloaded, Exit.CONFLICT),
    (KeyRefused, Exit.KEY),
    (SealBroken, Exit.KEY),
    (DatabaseRefused, Exit.DATABASE),
    (asyncpg.PostgresError, Exit.DATABASE),
    (asyncpg.InterfaceError, Exit.DATABASE),
    (asyncpg.InternalClientError, Exit.DATABASE),
    (ConsigndError, Exit.USAGE),
    (TimeoutError, Exit.DATABASE),
    # A folder that cannot be written, a port that is taken.
    (OSError, Exit.USAGE),
)


def exit_of(error: Exception) -> Exit:
    """The number that an error ends a command with."""
    return next((code for kind, code in _BY_ERROR if isinstance(error, kind)), Exit.BUG)


def told_in_help() -> str:
    """The table of numbers, as `consignd --help` shows it; the mark keeps click from joining the lines."""
    lines = [f"  {code.value:>3}  {code.meaning}" for code in Exit]
    return "\n".join(["\b", "Exit codes:", *lines])
