"""Decides how low and how high a price may go, and at which of the allowed prices in between it ends. Pure.

The floor is cost, commission and wanted margin; only a person's dated exception is below it. Rounding comes
after and never undercuts it.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import PlanRefused
from core.money.money import Money, percent
from core.offers.price.conversion import convert
from core.offers.price.facts import PriceException, PriceFacts
from core.offers.price.fees import Fees, first_from
from core.offers.price.plan import PriceStep, Reason, Stop
from core.offers.price.rule import Direction, PriceRule
from core.offers.price.target import dearest_cost, with_margin

# A single unit moves what is left by a unit here and there; the next allowed prices are tried in turn.
_CANDIDATES_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Floor:
    """The least price and the least net, and why; zero where no floor can be told."""

    gross_minor: int
    net_minor: int
    why: str

    def allows(self, fees: Fees, gross_minor: int) -> bool:
        """Whether a price is not below it."""
        return gross_minor >= self.gross_minor and fees.net_minor(gross_minor) >= self.net_minor


@dataclass(frozen=True, slots=True)
class Limits:
    """What rounding must keep to.

    `net_minor` is what the price has to leave us; above `place_minor` a place among rivals is lost, below
    `reserve_minor` it is not worth having; `most_minor` is the ceiling.
    """

    floor: Floor
    net_minor: int
    place_minor: int | None = None
    reserve_minor: int = 0
    most_minor: int | None = None


def find_floor(facts: PriceFacts, rule: PriceRule, fees: Fees) -> Floor | Stop:
    """The floor of cost and margin, or what a person has signed below it."""
    cost = dearest_cost(facts, rule)
    if isinstance(cost, Stop):
        return cost
    if cost is None:
        return Floor(0, 0, "the unit cost is not known: no floor")
    margin_ppm = rule.floor_margin_ppm or 0
    least = with_margin(cost.amount, margin_ppm)
    margin = f" + {percent(margin_ppm)}" if margin_ppm else ""
    how = f" ({cost.how})" if cost.how else ""
    why = f"we are never paid less than {least}: unit cost {cost.amount}{margin}{how}"
    floor = Floor(fees.gross_up(least).amount_minor, least.amount_minor, why)
    return _excepted(facts, fees, floor)


def floor_step(rule: PriceRule, floor: Floor, amount_minor: int) -> PriceStep:
    """Raise an amount to the floor."""
    given = rule.given.get("floor", "")
    return PriceStep("floor", max(amount_minor, floor.gross_minor), floor.why, given)


def find_ceiling(facts: PriceFacts, rule: PriceRule, floor: Floor) -> int | Stop | None:
    """The most that a buyer may pay; Stop where that is below the floor."""
    ceiling = rule.ceiling
    if ceiling is None or not ceiling.span.holds(facts.now):
        return None
    converted = convert(facts, rule, ceiling.amount)
    if isinstance(converted, Stop):
        return converted
    if floor.gross_minor > converted.amount.amount_minor:
        least = Money(floor.gross_minor, facts.currency)
        why = f"the ceiling of {converted.amount} is below the floor of {least}: {floor.why}"
        return Stop(Reason.FLOOR_ABOVE_CEILING, why, stays=False)
    return converted.amount.amount_minor


def ceiling_step(rule: PriceRule, currency: str, most_minor: int, amount_minor: int) -> PriceStep:
    """Lower an amount to the ceiling."""
    why = f"a buyer pays at most {Money(most_minor, currency)}"
    return PriceStep("ceiling", min(amount_minor, most_minor), why, rule.given.get("ceiling", ""))


def rounding_step(rule: PriceRule, fees: Fees, limits: Limits, amount_minor: int, exact: bool) -> PriceStep:
    """The allowed price for an amount: with its ending, never under the floor."""
    given = rule.given.get("rounding", "")
    if exact and limits.floor.allows(fees, amount_minor):
        return PriceStep("rounding", amount_minor, "written by a person: not rounded", given)
    rounded, note = _rounded(rule, fees, limits, amount_minor)
    return PriceStep("rounding", rounded, note or _rounding_why(rule, fees.currency), given)


def _rounded(rule: PriceRule, fees: Fees, limits: Limits, amount_minor: int) -> tuple[int, str]:
    up = _up(rule, fees, limits, amount_minor)
    most = limits.most_minor
    lower = _chosen_down(rule, fees, limits, amount_minor, up)
    if lower is not None:
        return lower, ""
    if limits.place_minor is not None and up > limits.place_minor:
        down = _down(rule, fees, limits.floor, limits.place_minor, limits.reserve_minor)
        if down is not None:
            return down, "down, so that the place among rivals is kept"
    if most is None or up <= most:
        return up, ""
    down = _down(rule, fees, limits.floor, most, 0)
    if down is not None:
        return down, "down, so that it stays under the ceiling"
    return amount_minor, "not rounded: no ending lies between floor and ceiling"


def _up(rule: PriceRule, fees: Fees, limits: Limits, amount_minor: int) -> int:
    """The first allowed price from the amount on that leaves enough."""
    start = first_from(rule.candidates, max(amount_minor, limits.floor.gross_minor))
    least_minor = max(limits.floor.net_minor, limits.net_minor)
    for price in rule.candidates[start : start + _CANDIDATES_AT_MOST]:
        if fees.net_minor(price) >= least_minor:
            return price
    raise PlanRefused(
        f"split plan {fees.plan.name}: no price from {Money(amount_minor, fees.currency)} on leaves enough"
    )


def _down(rule: PriceRule, fees: Fees, floor: Floor, most_minor: int, least_minor: int) -> int | None:
    """The last allowed price up to an amount; None where that is under floor or reserve."""
    end = first_from(rule.candidates, most_minor + 1)
    if end == 0:
        return None
    price = rule.candidates[end - 1]
    return price if price >= least_minor and floor.allows(fees, price) else None


def _chosen_down(rule: PriceRule, fees: Fees, limits: Limits, amount_minor: int, up: int) -> int | None:
    """The lower allowed price, where the rule rounds down or it is the nearer one."""
    if rule.direction is Direction.UP:
        return None
    most = amount_minor if limits.most_minor is None else min(amount_minor, limits.most_minor)
    down = _down(rule, fees, limits.floor, most, limits.reserve_minor)
    if down is None:
        return None
    nearer = amount_minor - down < up - amount_minor
    return down if rule.direction is Direction.DOWN or nearer else None


def _excepted(facts: PriceFacts, fees: Fees, floor: Floor) -> Floor:
    """The floor, or the lowest that a person's exception allows now."""
    signed = [each for each in facts.listing.exceptions if _fits(each, facts)]
    lowest = min(signed, key=lambda each: each.least.amount_minor, default=None)
    if lowest is None or lowest.least.amount_minor >= floor.gross_minor:
        return floor
    why = (
        f"{lowest.signed_by} allows {lowest.least} until {lowest.until:%Y-%m-%d %H:%M} ({lowest.why});"
        f" without that {floor.why}"
    )
    return Floor(lowest.least.amount_minor, fees.net(lowest.least).amount_minor, why)


def _fits(exception: PriceException, facts: PriceFacts) -> bool:
    return exception.holds(facts.now) and exception.least.currency == facts.currency


def _rounding_why(rule: PriceRule, currency: str) -> str:
    if rule.rounding_minor == 1:
        return "not rounded"
    ending = f" plus {Money(rule.ending_minor, currency)}" if rule.ending_minor else ""
    return f"{_WAYS[rule.direction]} a multiple of {Money(rule.rounding_minor, currency)}{ending}"


_WAYS = {Direction.UP: "up to", Direction.DOWN: "down to", Direction.NEAREST: "to the nearest of"}
