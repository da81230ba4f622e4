"""Lets finance look at a split plan before anything is sold by it: what is wrong, and what it would do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import AwareDatetime, Field

from core.errors import PlanRefused
from core.money.plans.explaining import Waterfall, waterfall
from core.money.plans.facts import Milestones
from core.money.plans.journal import sale_postings
from core.money.plans.rules import Plan
from core.money.plans.trial import TrialSale
from core.money.plans.waterfall import evaluate
from core.money.posting import Posting
from core.money.published import latest_plans, publish_by_hand
from core.views.split_simulation import SplitReplay, SplitSimulation
from web.access import Right
from web.api.route import Call, Route, Shape
from web.api.shapes import Amount, Currency, Ref, Words

Toml = Annotated[str, Field(max_length=1 << 16, description="the plan, as its file would hold it")]
Names = Annotated[tuple[Ref, ...], Field(max_length=50)]


class PlanBody(Shape):
    """A plan to look at."""

    plan: Toml


class PublishBody(Shape):
    """A plan to split sales by from now on; its name is one that settings leave to whoever publishes."""

    plan: Toml
    reason: Words


class SimulateBody(Shape):
    """A plan to split past sales by, and since when."""

    plan: Toml
    since: AwareDatetime


class TryBody(Shape):
    """A plan and a sale to try it on; amounts are those of one unit."""

    plan: Toml
    price: Amount
    currency: Currency
    quantity: Annotated[int, Field(ge=1, le=10_000)] = 1
    cost: Amount | None = None
    tax: Amount = "0"
    redeemed: Amount | None = None
    channel: Ref = "channel"
    sku: Annotated[str, Field(max_length=200)] = ""
    tags: Names = ()
    segments: Names = ()
    buyer: Ref | None = None
    order_no: Annotated[int | None, Field(ge=1, le=10**6, description="which order of the buyer's")] = None
    referrers: Annotated[tuple[Ref, ...], Field(max_length=2, description="level 1, then level 2")] = ()
    turnover: Annotated[Amount, Field(description="what tiers have seen before")] = "0"
    units: Annotated[int, Field(ge=0, le=10**9, description="units that tiers have seen before")] = 0
    sold_at: AwareDatetime | None = None


@dataclass(frozen=True, slots=True)
class PlanVerdict:
    """Whether a plan would be taken, and all that is wrong with it."""

    ok: bool
    name: str | None
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PublishedPlan:
    """A plan that settings leave to whoever publishes; without a version nothing was published yet."""

    name: str
    version: int | None
    currencies: tuple[str, ...]
    plan: Plan | None


@dataclass(frozen=True, slots=True)
class PublishedPlans:
    """Such plans by name."""

    plans: tuple[PublishedPlan, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """A price run down a plan, and the entries of such a sale once it is delivered."""

    waterfall: Waterfall
    entries: tuple[Posting, ...]
    problems: tuple[str, ...]


async def lint_plan(call: Call) -> PlanVerdict:
    """Everything that is wrong with it."""
    draft = call.services.read_plan(call.body(PlanBody).plan)
    return PlanVerdict(not draft.problems, draft.plan.name if draft.plan else None, draft.problems)


async def list_published(call: Call) -> PublishedPlans:
    """The newest version of each."""
    names = call.services.publishable.currencies
    async with call.services.pool.acquire() as conn:
        newest = await latest_plans(conn, names)
    return PublishedPlans(
        tuple(
            PublishedPlan(name, plan.version if plan else None, tuple(sorted(currencies)), plan)
            for name, currencies in sorted(names.items())
            for plan in [newest[name][1] if name in newest else None]
        )
    )


async def publish(call: Call) -> PublishedPlan:
    """Its next version; running daemons take it up within seconds."""
    body, services = call.body(PublishBody), call.services
    plan = _sound(call, body.plan)
    async with services.pool.acquire() as conn, conn.transaction():
        _, plan = await publish_by_hand(
            conn,
            plan,
            services.publishable,
            actor=call.token.name,
            reason=body.reason,
            now=services.now(),
        )
    currencies = services.publishable.currencies[plan.name]
    return PublishedPlan(plan.name, plan.version, tuple(sorted(currencies)), plan)


def _sound(call: Call, text: str) -> Plan:
    draft = call.services.read_plan(text)
    if draft.plan is None or draft.problems:
        raise PlanRefused("; ".join(draft.problems))
    return draft.plan


async def try_plan(call: Call) -> Trial:
    """The waterfall; a plan with problems is tried all the same where it can be."""
    body, now = call.body(TryBody), call.services.now()
    draft = call.services.read_plan(body.plan)
    if draft.plan is None:
        raise PlanRefused("; ".join(draft.problems))
    written = body.model_dump(exclude={"plan", "sold_at"})
    facts = TrialSale(**written, sold_at=body.sold_at or now).facts(draft.plan)
    split = evaluate(draft.plan, facts)
    entries = sale_postings(split, Milestones(facts.sold_at, facts.sold_at), facts.sold_at)
    return Trial(waterfall(split), tuple(entries), draft.problems)


async def simulate_plan(call: Call) -> SplitSimulation:
    """Old and new over the same sales; nothing is written."""
    body = call.body(SimulateBody)
    terms = {name: served.terms.facts for name, served in call.services.channels.items()}
    replay = SplitReplay(_sound(call, body.plan), body.since, terms)
    async with (
        call.services.pool.acquire() as conn,
        conn.transaction(isolation="repeatable_read", readonly=True),
    ):
        async for _ in replay.run(conn):
            pass
    return replay.result()


ROUTES = (
    Route(
        "GET",
        "/splits/plans",
        Right.MONEY,
        "List split plans that are published by hand",
        PublishedPlans,
        list_published,
    ),
    Route(
        "POST",
        "/splits/plans",
        Right.MONEY,
        "Publish the next version of a split plan",
        PublishedPlan,
        publish,
        body=PublishBody,
    ),
    Route("POST", "/splits/lint", Right.MONEY, "Check a split plan", PlanVerdict, lint_plan, body=PlanBody),
    Route("POST", "/splits/try", Right.MONEY, "Split one price by a plan", Trial, try_plan, body=TryBody),
    Route(
        "POST",
        "/splits/simulate",
        Right.MONEY,
        "Split past sales again by a plan",
        SplitSimulation,
        simulate_plan,
        body=SimulateBody,
    ),
)
