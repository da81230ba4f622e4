"""Decides a listing's price from facts and a rule, step by step; each step is explained. Pure.

The order: target, commission, stock and staleness, demand, rivals, window, floor, ceiling, rounding, brake,
budget. A step that nobody wrote is left out. The last step always stands at what the listing shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from core.errors import PlanRefused
from core.money.money import Money
from core.money.plans.rules import Plan
from core.offers.price import bounds, brake, budget
from core.offers.price.bounds import Floor, Limits
from core.offers.price.facts import PriceFacts, ShownPrice
from core.offers.price.fees import Fees
from core.offers.price.plan import Held, NoPrice, Priced, PricePlan, PriceStep, Reason, Stop
from core.offers.price.pressure import demand_step, stale_step, stock_step
from core.offers.price.rival import rival_step
from core.offers.price.rule import PriceRule
from core.offers.price.target import Start, start
from core.offers.price.window import current, just_left, window_step


@dataclass(frozen=True, slots=True)
class _Draft:
    """A price between two steps, and what rounding must keep to."""

    amount_minor: int
    exact: bool
    steps: tuple[PriceStep, ...]
    place_minor: int | None = None
    reserve_minor: int = 0

    def then(self, step: PriceStep | None) -> _Draft:
        """After a step, if there is one; an amount that was moved is no longer what a person wrote."""
        if step is None:
            return self
        exact = self.exact and step.amount_minor == self.amount_minor
        steps = (*self.steps, step)
        return _Draft(step.amount_minor, exact, steps, self.place_minor, self.reserve_minor)


@dataclass(frozen=True, slots=True)
class _Ended:
    """The price before brake and budget, and the floor it keeps to."""

    price: ShownPrice
    floor: Floor
    steps: tuple[PriceStep, ...]


def plan_price(facts: PriceFacts, rule: PriceRule, plan: Plan) -> PricePlan:
    """The price of one unit."""
    try:
        fees = Fees.of(plan, facts.currency, facts.listing.fee, facts.now, facts.offered)
        begun = start(facts, rule, fees)
        ended = begun if isinstance(begun, Stop) else _worked_out(facts, rule, fees, begun)
    except PlanRefused as refused:
        ended = Stop(Reason.PLAN_REFUSED, str(refused), stays=False)
    if isinstance(ended, Stop):
        return _none(facts, ended, ())
    return _let_out(facts, rule, fees, ended)


def _worked_out(facts: PriceFacts, rule: PriceRule, fees: Fees, begun: Start) -> _Ended | Stop:
    draft = _moved(facts, rule, _Draft(begun.gross.amount_minor, begun.exact, begun.steps))
    if isinstance(draft, Stop):
        return draft
    floor = bounds.find_floor(facts, rule, fees)
    if isinstance(floor, Stop):
        return floor
    most = bounds.find_ceiling(facts, rule, floor)
    if isinstance(most, Stop):
        return most
    draft = draft.then(bounds.floor_step(rule, floor, draft.amount_minor))
    if most is not None:
        draft = draft.then(bounds.ceiling_step(rule, facts.currency, most, draft.amount_minor))
    # Where a step has lowered the price below its target, less than the target is enough.
    least_net = min(begun.net.amount_minor, fees.net_minor(draft.amount_minor))
    limits = Limits(floor, least_net, draft.place_minor, draft.reserve_minor, most)
    draft = draft.then(bounds.rounding_step(rule, fees, limits, draft.amount_minor, draft.exact))
    gross = Money(draft.amount_minor, facts.currency)
    return _Ended(ShownPrice(gross, fees.net(gross)), floor, draft.steps)


def _moved(facts: PriceFacts, rule: PriceRule, draft: _Draft) -> _Draft | Stop:
    """Ladder, demand, rivals, window."""
    for make in (stock_step, stale_step, demand_step):
        draft = draft.then(make(facts, rule, draft.amount_minor))
    answer = rival_step(facts, rule, draft.amount_minor)
    if answer is not None:
        draft = replace(
            draft.then(answer.step), place_minor=answer.limit_minor, reserve_minor=answer.reserve_minor
        )
    window = window_step(facts, rule)
    if window is None or isinstance(window, Stop):
        return draft if window is None else window
    steps = (*draft.steps, window)
    return _Draft(window.amount_minor, exact=True, steps=steps)


def _let_out(facts: PriceFacts, rule: PriceRule, fees: Fees, ended: _Ended) -> PricePlan:
    """Brake and budget: whether the price may be shown now, or the old one stays."""
    gross_minor = ended.price.gross.amount_minor
    old = facts.published
    old_is_safe = old is not None and ended.floor.allows(fees, old.gross.amount_minor)
    by_hand = current(facts, rule) is not None or just_left(facts, rule)
    why = None if by_hand else brake.stopped(facts, rule, gross_minor)
    if why is not None:
        shown = old if old_is_safe else None
        return Held(
            asked=ended.price,
            shown=shown,
            why=why,
            steps=(*ended.steps, _kept("brake", rule, shown, f"{why}: a person has to approve it")),
            refused=brake.refused(facts, gross_minor),
        )
    denied = budget.denied(facts, rule, gross_minor, urgent=not old_is_safe)
    if denied is None:
        pays = facts.listing.budget.free_left == 0 and old is not None and old.gross != ended.price.gross
        return Priced(ended.price.gross, ended.price.net, ended.steps, pays)
    if old is None or not old_is_safe:
        stop = Stop(
            Reason.STUCK_UNDER_FLOOR, f"{denied.why}, and the old price is under the floor", stays=False
        )
        return _none(facts, stop, ended.steps)
    return Priced(old.gross, old.net, (*ended.steps, denied))


def _kept(name: str, rule: PriceRule, shown: ShownPrice | None, why: str) -> PriceStep:
    if shown is None:
        return PriceStep(
            name, 0, f"{why}; the old price is under the floor: off meanwhile", rule.given.get(name, "")
        )
    return PriceStep(name, shown.gross.amount_minor, f"{why}; {shown.gross} stays", rule.given.get(name, ""))


def _none(facts: PriceFacts, stop: Stop, steps: tuple[PriceStep, ...]) -> NoPrice:
    shown = facts.published if stop.stays else None
    stays = f": {shown.gross} stays" if shown else ""
    last = PriceStep("no price", shown.gross.amount_minor if shown else 0, f"{stop.why}{stays}")
    return NoPrice(stop.reason, stop.why, shown, (*steps, last))
