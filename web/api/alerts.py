"""Lets callers look at alerts, say that they have seen one, and try messages again that were given up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from core.alerts.incidents import acknowledge
from core.alerts.notices import revive
from core.alerts.rules import Severity, Subject
from core.views.alerts import (
    AlertDetail,
    AlertFilter,
    AlertPage,
    MessageView,
    alert_detail,
    alert_page,
    dead_messages,
    sent_messages,
)
from web.access import Right
from web.api.problems import Problem
from web.api.route import Call, Route, Shape
from web.api.shapes import Done, Limit, ReasonBody, Words

_LARGEST_ID = 2**63 - 1
MessageId = Annotated[int, Field(ge=1, le=_LARGEST_ID)]
Language = Literal["en", "zh"]


class AlertQuery(Shape):
    """Which alerts to list."""

    state: Literal["open", "closed", "all"] = "open"
    severity: Severity | None = None
    sku_ref: str | None = None
    channel: str | None = None
    language: Annotated[Language, Field(description="of the headlines")] = "en"
    before: Annotated[int | None, Field(ge=1, description="`next_before` of the page before")] = None
    limit: Limit = 50


class DetailQuery(Shape):
    """How to tell of an alert."""

    language: Annotated[Language, Field(description="of the headline")] = "en"


class RetryBody(Shape):
    """Which of the messages that were given up to try again, and why; none named: all."""

    message_ids: Annotated[list[MessageId] | None, Field(max_length=1000)] = None
    reason: Words


@dataclass(frozen=True, slots=True)
class MessageList:
    """Messages as they were written."""

    messages: tuple[MessageView, ...]


@dataclass(frozen=True, slots=True)
class Retried:
    """Messages that are tried again."""

    message_ids: tuple[int, ...]


async def list_alerts(call: Call) -> AlertPage:
    """A page of alerts."""
    query = call.query(AlertQuery)
    if query.sku_ref is not None and query.channel is not None:
        raise Problem(422, "Not understood", "an alert is about a SKU or a channel: ask for one of them")
    subject = Subject("sku", query.sku_ref) if query.sku_ref is not None else None
    if query.channel is not None:
        subject = Subject("channel", query.channel)
    wanted = AlertFilter(None if query.state == "all" else query.state, query.severity, subject)
    async with call.services.pool.acquire() as conn:
        return await alert_page(conn, wanted, before=query.before, limit=query.limit, language=query.language)


async def show_alert(call: Call) -> AlertDetail:
    """One alert with what was told of it."""
    async with call.services.pool.acquire() as conn:
        return await alert_detail(conn, _incident_id(call), call.query(DetailQuery).language)


async def acknowledge_alert(call: Call) -> Done:
    """Somebody has seen it."""
    incident_id, reason = _incident_id(call), call.body(ReasonBody).reason
    async with call.services.pool.acquire() as conn, conn.transaction():
        await acknowledge(conn, incident_id, actor=call.token.name, reason=reason, now=call.services.now())
    return Done(f"alert {incident_id} is acknowledged: no reminders, its end will be told")


async def list_dead(call: Call) -> MessageList:
    """Messages that were given up."""
    async with call.services.pool.acquire() as conn:
        return MessageList(await dead_messages(conn))


async def list_sent(call: Call) -> MessageList:
    """Messages that arrived."""
    async with call.services.pool.acquire() as conn:
        return MessageList(await sent_messages(conn))


async def retry_dead(call: Call) -> Retried:
    """The same tried again."""
    body = call.body(RetryBody)
    async with call.services.pool.acquire() as conn, conn.transaction():
        revived = await revive(
            conn, body.message_ids, actor=call.token.name, reason=body.reason, now=call.services.now()
        )
    return Retried(tuple(revived))


def _incident_id(call: Call) -> int:
    text = call.path("incident_id")
    if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID:
        raise Problem(404, "Not known", "alert ids are numbers; `GET /api/v1/alerts` lists alerts")
    return int(text)


ROUTES = (
    Route(
        "GET",
        "/alerts",
        Right.READ,
        "List alerts, newest first, and how many stand",
        AlertPage,
        list_alerts,
        query=AlertQuery,
    ),
    Route("GET", "/alerts/sent", Right.READ, "List messages that arrived", MessageList, list_sent),
    Route("GET", "/alerts/dead", Right.READ, "List messages that were given up", MessageList, list_dead),
    Route(
        "POST",
        "/alerts/dead/retry",
        Right.OPERATE,
        "Try messages again that were given up",
        Retried,
        retry_dead,
        body=RetryBody,
    ),
    Route(
        "GET",
        "/alerts/{incident_id}",
        Right.READ,
        "Show one alert and what was told of it",
        AlertDetail,
        show_alert,
        query=DetailQuery,
    ),
    Route(
        "POST",
        "/alerts/{incident_id}/acknowledge",
        Right.OPERATE,
        "Say that somebody has seen an alert",
        Done,
        acknowledge_alert,
        body=ReasonBody,
    ),
)
