"""Lets callers look at exchange rates, and tell one by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from pydantic import AwareDatetime, Field

from core.money.rates import NewRate, parse_rate, set_rate
from core.offers.price.rule import RATE_MAX_AGE
from core.views.rates import RatesShown, shown_rates
from web.access import Right
from web.api.route import Call, Route, Shape
from web.api.shapes import Currency, Done, Words
from web.services import Services


class RateBody(Shape):
    """One major unit of `base` is so many of `quote`."""

    base: Currency
    quote: Currency
    rate: Annotated[str, Field(max_length=30, examples=["1.0837"])]
    at: Annotated[AwareDatetime | None, Field(description="when it was so; left out: now")] = None
    reason: Words


async def list_rates(call: Call) -> RatesShown:
    """The latest rate of every pair."""
    services = call.services
    async with services.pool.acquire() as conn:
        return await shown_rates(conn, rate_max_age(services), services.now())


async def tell_rate(call: Call) -> Done:
    """A rate, by hand."""
    body = call.body(RateBody)
    told = NewRate(body.base, body.quote, parse_rate(body.rate), body.at or call.services.now())
    await tell(call.services, told, call.token.name, body.reason)
    return Done(f"1 {told.base} = {body.rate} {told.quote}")


async def tell(services: Services, told: NewRate, actor: str, reason: str) -> None:
    """Write a rate down; prices follow with the next recalculation."""
    async with services.pool.acquire() as conn, conn.transaction():
        await set_rate(conn, told, actor=actor, reason=reason, now=services.now())
    services.wake_all()


def rate_max_age(services: Services) -> timedelta:
    """From when on a rate is too old; the settings say it once for all channels."""
    ages = [each.price.everywhere.rate_max_age for each in services.terms().values()]
    return min((age for age in ages if age is not None), default=RATE_MAX_AGE)


ROUTES = (
    Route("GET", "/rates", Right.READ, "List exchange rates and how fetching goes", RatesShown, list_rates),
    Route("POST", "/rates", Right.OPERATE, "Tell a rate by hand", Done, tell_rate, body=RateBody),
)
