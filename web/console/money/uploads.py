"""Keeps files that somebody has sent and not confirmed yet: a few, for this process, and nowhere else."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass

_KEPT_AT_MOST = 8
LARGEST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as a browser sent it."""

    name: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Pending:
    """A channel's statement that waits for somebody's yes."""

    who: str
    channel: str
    mapping: str
    upload: Upload


class Uploads:
    """What waits for a yes. The oldest gives way: who comes back too late sends the file again."""

    def __init__(self) -> None:
        self._by_key: OrderedDict[str, Pending] = OrderedDict()

    def keep(self, pending: Pending) -> str:
        """Keep a file under a new key, instead of the same person's last one."""
        for key in [key for key, kept in self._by_key.items() if kept.who == pending.who]:
            del self._by_key[key]
        key = secrets.token_urlsafe(24)
        self._by_key[key] = pending
        if len(self._by_key) > _KEPT_AT_MOST:
            self._by_key.popitem(last=False)
        return key

    def look(self, key: str, who: str) -> Pending | None:
        """What this person sent under this key."""
        pending = self._by_key.get(key)
        return pending if pending is not None and pending.who == who else None

    def take(self, key: str, who: str) -> Pending | None:
        """The same; it is gone afterwards."""
        return self._by_key.pop(key) if self.look(key, who) is not None else None
