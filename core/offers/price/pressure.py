"""Decides how stock and sales move a price: rungs of a ladder, and factors from our own history. Pure.

Ratios are measured and may be floats; they become whole parts per million before they touch money.
"""

from __future__ import annotations

from datetime import timedelta
from math import isfinite, prod

from core.money.money import per_million, percent
from core.offers.price.facts import Demand, PriceFacts
from core.offers.price.plan import PriceStep
from core.offers.price.rule import WHOLE_PPM, DemandRule, PriceRule, StaleRung, StockRung

_DAY = timedelta(days=1)
_NOTHING_KNOWN = Demand()


def stock_step(facts: PriceFacts, rule: PriceRule, amount_minor: int) -> PriceStep | None:
    """The rung by the percentage of usual stock."""
    ladder = rule.pressure
    if ladder is None or not ladder.stock or not ladder.span.holds(facts.now):
        return None
    given = rule.given.get("pressure", "")
    usual = (facts.listing.demand or _NOTHING_KNOWN).usual_stock
    if not usual or usual <= 0:
        return PriceStep("stock", amount_minor, "the usual stock is not known yet: no change", given)
    share_ppm = _ppm(facts.stock / usual)
    held = f"{facts.stock} in stock is {percent(share_ppm // 10_000 * 10_000)} of the usual {usual:.0f}"
    rung = _stock_rung(ladder.stock, share_ppm)
    if rung is None:
        return PriceStep("stock", amount_minor, f"{held}: no rung applies", given)
    return _changed("stock", amount_minor, rung.change_ppm, f"{held}: {_line(rung)}", given)


def stale_step(facts: PriceFacts, rule: PriceRule, amount_minor: int) -> PriceStep | None:
    """The rung by days without a sale; what never sold counts from when it was first measured."""
    ladder = rule.pressure
    if ladder is None or not ladder.stale or not ladder.span.holds(facts.now):
        return None
    given = rule.given.get("pressure", "")
    demand = facts.listing.demand or _NOTHING_KNOWN
    since = demand.last_sold_at or demand.measured_since
    if since is None:
        return PriceStep("stale", amount_minor, "no sale was measured yet: no change", given)
    idle = facts.now - since
    rung = _stale_rung(ladder.stale, idle)
    said = f"nothing sold for {idle / _DAY:.1f} days"
    if rung is None:
        return PriceStep("stale", amount_minor, f"{said}: no rung applies", given)
    why = f"{said}, over {rung.after / _DAY:g}"
    return _changed("stale", amount_minor, rung.change_ppm, why, given)


def demand_step(facts: PriceFacts, rule: PriceRule, amount_minor: int) -> PriceStep | None:
    """Velocity and season: what own sales are above or below usual, in part, up to a bound."""
    wish = rule.demand
    if wish is None or not wish.span.holds(facts.now):
        return None
    given = rule.given.get("demand", "")
    demand = facts.listing.demand or _NOTHING_KNOWN
    pace, season = _pace(demand), _season(demand, facts)
    change_ppm = _part(pace, wish.velocity_ppm) + _part(season, wish.season_ppm)
    bounded_ppm = max(-wish.at_most_ppm, min(wish.at_most_ppm, change_ppm))
    why = _demand_why(wish, pace, season)
    if bounded_ppm != change_ppm:
        why += f", at most {percent(wish.at_most_ppm)}"
    return _changed("demand", amount_minor, bounded_ppm, why, given)


def _stock_rung(rungs: tuple[StockRung, ...], share_ppm: int) -> StockRung | None:
    """The farthest rung that applies: shortage before surplus."""
    short = [rung for rung in rungs if rung.below_ppm is not None and share_ppm < rung.below_ppm]
    if short:
        return min(short, key=lambda rung: rung.below_ppm or 0)
    long = [rung for rung in rungs if rung.above_ppm is not None and share_ppm > rung.above_ppm]
    return max(long, key=lambda rung: rung.above_ppm or 0) if long else None


def _stale_rung(rungs: tuple[StaleRung, ...], idle: timedelta) -> StaleRung | None:
    return max((rung for rung in rungs if idle >= rung.after), key=lambda rung: rung.after, default=None)


def _line(rung: StockRung) -> str:
    if rung.below_ppm is not None:
        return f"under {percent(rung.below_ppm)}"
    return f"over {percent(rung.above_ppm or 0)}"


def _pace(demand: Demand) -> float:
    """Sales now in relation to usual; 1 where the usual is not known."""
    if not demand.usual_per_day or demand.usual_per_day <= 0:
        return 1.0
    return demand.per_day / demand.usual_per_day


def _season(demand: Demand, facts: PriceFacts) -> float:
    now = facts.now
    factors = (demand.weekday, now.weekday()), (demand.hour, now.hour), (demand.month, now.month - 1)
    return prod(values[place] for values, place in factors if values)


def _demand_why(wish: DemandRule, pace: float, season: float) -> str:
    said = []
    if wish.velocity_ppm:
        said.append(f"sales are {pace:.0%} of usual")
    if wish.season_ppm:
        said.append(f"this hour, day and month sell {season:.0%} of the mean")
    return " and ".join(said) or "no factor is followed"


def _part(ratio: float, share_ppm: int) -> int:
    return per_million(_ppm(ratio) - WHOLE_PPM, share_ppm)


def _ppm(ratio: float) -> int:
    assert isfinite(ratio), "a ratio of measured numbers is finite"
    return int(ratio * WHOLE_PPM)


def _changed(name: str, amount_minor: int, change_ppm: int, why: str, given: str) -> PriceStep:
    changed_minor = max(1, amount_minor + per_million(amount_minor, change_ppm))
    sign = "+" if change_ppm >= 0 else ""
    return PriceStep(name, changed_minor, f"{why}: {sign}{percent(change_ppm)}", given)
