"""Decides what a page is: who visits, what it shows, and how it looks on the wire."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from core.views.guard import StoppedView
from web.access import Right
from web.console import drawing, pictures
from web.console.buyers.figures import (
    buyer_path,
    group_time,
    in_path,
    masked_buyer,
    quota_used,
    state_bars,
    takes_off,
)
from web.console.money.figures import budget_gauge, share_bars
from web.console.money.uploads import Upload, Uploads
from web.console.sessions import Session
from web.console.words import ENGLISH
from web.services import Services

T = TypeVar("T")
_REMEMBERED_AT_MOST = 64

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`: browsers would then post forms with the origin `null`.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody who is signed in asks for a page."""

    services: Services
    session: Session
    raw: web.Request
    memory: Memory
    upload: Upload | None = None

    def query(self, name: str) -> str | None:
        """A field of the query; None when it is left out or empty."""
        return self.raw.query.get(name, "").strip() or None

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.raw.match_info[name]


@dataclass(frozen=True, slots=True)
class Shown:
    """A page to render: its template and what it shows there.

    `address`: where it is read again to stay live, if that is not where it was asked for.
    """

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """What every page tells: what is stopped, and how many alerts nobody has acknowledged."""

    stopped: tuple[StoppedView, ...]
    unseen_alerts: int


NOTHING_STANDS = Standing((), 0)


class Remembered(Generic[T]):
    """Keeps what is dear to read for some seconds, and lets one reader read for all who wait."""

    def __init__(self, keep_seconds: float) -> None:
        self._keep_seconds = keep_seconds
        self._value: tuple[float, T] | None = None
        self._lock = asyncio.Lock()

    async def get(self, read: Callable[[], Awaitable[T]]) -> T:
        """The value, read anew if it is too old; a slow reading is kept ten times as long as it took."""
        async with self._lock:
            if self._value is not None and time.monotonic() < self._value[0]:
                return self._value[1]
            started = time.monotonic()
            value = await read()
            ended = time.monotonic()
            self._value = (ended + max(self._keep_seconds, 10 * (ended - started)), value)
            return value


class Memory:
    """What the console remembers between pages, for everybody."""

    def __init__(self) -> None:
        self.by_name: OrderedDict[str, Remembered[object]] = OrderedDict()
        self.uploads = Uploads()

    async def get(self, name: str, read: Callable[[], Awaitable[T]], kind: type[T]) -> T:
        """A remembered value by name."""
        kept = self.by_name.setdefault(name, Remembered(2.0))
        self.by_name.move_to_end(name)
        if len(self.by_name) > _REMEMBERED_AT_MOST:
            self.by_name.popitem(last=False)
        value = await kept.get(read)
        assert isinstance(value, kind), f"{name} was remembered as another kind"
        return value


class Renderer:
    """Renders pages; everything that comes from outside is escaped."""

    def __init__(self) -> None:
        self._templates = Environment(
            loader=PackageLoader("web.console"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters.update(
            amount=drawing.amount,
            count=drawing.count,
            age=drawing.age,
            moment=drawing.moment,
            tone=drawing.tone,
            seconds=pictures.seconds,
            days=drawing.days,
            cover_tone=drawing.cover_tone,
            buyer_path=buyer_path,
            masked_buyer=masked_buyer,
            in_path=in_path,
        )
        self._templates.globals.update(
            w=ENGLISH,
            cell=drawing.cell,
            channel_tone=drawing.channel_tone,
            trouble_tone=drawing.trouble_tone,
            histogram=pictures.histogram,
            part_gauge=pictures.part_gauge,
            alert_gauge=pictures.alert_gauge,
            share_bars=share_bars,
            budget_gauge=budget_gauge,
            state_bars=state_bars,
            takes_off=takes_off,
            group_time=group_time,
            quota_used=quota_used,
        )

    def page(
        self, shown: Shown, session: Session | None, services: Services, here: str, standing: Standing
    ) -> web.Response:
        """A whole page."""
        rights = {right.value: session is not None and session.token.may(right) for right in Right}
        text = self._templates.get_template(shown.template).render(
            **shown.values,
            now=services.now(),
            here=here,
            session=session,
            standing=standing,
            may=rights,
            address=shown.address,
            notice=session.take_notice() if session is not None else None,
        )
        return web.Response(
            text=text, status=shown.status, content_type="text/html", headers=dict(SECURITY_HEADERS)
        )
