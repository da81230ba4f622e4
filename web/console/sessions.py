"""Decides who is signed in to the console: sessions, kept by the hash of their id, for a working day."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from web.access import Token, token_hash

COOKIE = "consignd_session"
IDLE_SECONDS = 12 * 3600.0
_SESSIONS_AT_MOST = 1000


@dataclass(slots=True)
class Session:
    """One browser of one token. `csrf` must come back with everything it posts."""

    token: Token
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(24), repr=False)
    # Told once, on the next page.
    notice: str | None = None
    seen_at: float = field(default_factory=time.monotonic)

    def take_notice(self) -> str | None:
        """What the last action said; afterwards it is gone."""
        notice, self.notice = self.notice, None
        return notice

    def posted(self, csrf: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "surrogateescape"))


class Sessions:
    """The sessions of this process; a restart signs everybody out."""

    def __init__(self) -> None:
        self._by_hash: OrderedDict[str, Session] = OrderedDict()

    def open(self, token: Token) -> str:
        """A new session; its id goes to the browser and is not kept."""
        session_id = secrets.token_urlsafe(32)
        self._by_hash[token_hash(session_id)] = Session(token)
        if len(self._by_hash) > _SESSIONS_AT_MOST:
            self._by_hash.popitem(last=False)
        return session_id

    def find(self, session_id: str | None) -> Session | None:
        """The session of an id, unless it was idle for too long."""
        if not session_id:
            return None
        hashed = token_hash(session_id)
        session = self._by_hash.get(hashed)
        if session is None:
            return None
        if time.monotonic() - session.seen_at > IDLE_SECONDS:
            del self._by_hash[hashed]
            return None
        session.seen_at = time.monotonic()
        self._by_hash.move_to_end(hashed)
        return session

    def close(self, session_id: str | None) -> None:
        """End a session."""
        self._by_hash.pop(token_hash(session_id or ""), None)
