"""Decides what each listing would show if it were alone, step by step, each with its rule. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from core.money.money import percent
from core.offers.history.selling import Lag
from core.offers.stock.risk import buffer_for
from core.offers.stock.rules import WHOLE_PPM, CountBuffer, ListingPolicy, PartBuffer, RiskBuffer, Said
from core.types import ListingId

_DAY_SECONDS = 86_400
_CHANNEL = "the channel"
_DECIDED = "a decision"


@dataclass(frozen=True, slots=True)
class QuotaLeft:
    """So many pieces a listing may still show for a time, why, and which rule says so."""

    left: int
    why: str
    source: str


@dataclass(frozen=True, slots=True)
class ListingStock:
    """A listing with what its channel may sell (its minimum validity respected) and is able to show.

    `closed` says why nothing at all may be shown. Units per second are `sold` on the channel itself and
    `elsewhere`. `proceeds_ppm` is what a unit leaves us in relation to what it should bring; None: not known.
    """

    listing_id: ListingId
    channel: str
    policy: ListingPolicy
    closed: str | None
    sellable: int
    authoritative: bool
    largest_quantity: int
    tier: str = ""
    sold_per_second: float = 0.0
    elsewhere_per_second: float = 0.0
    mean_quantity: float = 1.0
    lag: Lag = field(default_factory=Lag)
    proceeds_ppm: int | None = None
    sellable_why: str = ""
    sellable_source: str = _CHANNEL
    quota: QuotaLeft | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What the quantity was after one rule, why, and which rule gave the number."""

    rule: str
    quantity: int
    why: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class QuantityPlan:
    """What a listing should show; the last step ends at the quantity."""

    quantity: int
    steps: tuple[Step, ...]

    def lowered(self, rule: str, quantity: int, why: str, source: str) -> QuantityPlan:
        """The plan after one more rule, which leaves no step where it changes nothing."""
        return self if quantity >= self.quantity else self.became(rule, quantity, why, source)

    def raised(self, rule: str, quantity: int, why: str, source: str) -> QuantityPlan:
        """The same upwards."""
        return self if quantity <= self.quantity else self.became(rule, quantity, why, source)

    def became(self, rule: str, quantity: int, why: str, source: str) -> QuantityPlan:
        """The plan with one more step."""
        return QuantityPlan(quantity, (*self.steps, Step(rule, quantity, why, source)))


def wanted(listing: ListingStock) -> QuantityPlan:
    """What a listing would show if it were alone."""
    policy, sellable, channel = listing.policy, listing.sellable, listing.channel
    why = listing.sellable_why or f"codes that {channel} may sell"
    plan = QuantityPlan(sellable, (Step("sellable", sellable, why, listing.sellable_source),))
    if listing.closed is not None:
        return plan.lowered("off", 0, listing.closed, _DECIDED)
    if not policy.on.value:
        return plan.lowered("off", 0, "the listing is switched off", policy.on.source)
    tiers = policy.tiers
    if tiers.value is not None and not tiers.value & {listing.tier, channel}:
        shown_on = ", ".join(sorted(tiers.value)) or "no channel"
        return plan.lowered("tier", 0, f"it is shown on {shown_on} only", tiers.source)
    plan = _limited(_part(plan, listing), listing)
    most = listing.largest_quantity
    return plan.lowered("largest", most, f"{channel} cannot show more than {most}", _CHANNEL)


def sure_of(listing: ListingStock) -> int:
    """What a listing is given before the rest is shared out: its allotment, else its floor."""
    allotment = listing.policy.allotment.value
    return listing.policy.floor.value if allotment is None else allotment


def _part(plan: QuantityPlan, listing: ListingStock) -> QuantityPlan:
    """The share less the buffer, and no less than the floor; the floor never touches what is kept back."""
    policy, sellable = listing.policy, listing.sellable
    if policy.allotment.value is None:
        part = sellable * policy.share_ppm.value // WHOLE_PPM
        why = f"{percent(policy.share_ppm.value)} of {sellable}"
        plan = plan.lowered("share", part, why, policy.share_ppm.source)
    kept, why = _kept_back(listing)
    # A share already leaves codes to the others: for the risk those count.
    of = sellable if isinstance(policy.buffer.value, RiskBuffer) else plan.quantity
    plan = plan.lowered("buffer", max(0, of - kept), why, policy.buffer.source)
    floor = min(policy.floor.value, max(0, sellable - kept))
    return plan.raised(
        "floor", floor, f"at least {policy.floor.value} while there are codes", policy.floor.source
    )


def _limited(plan: QuantityPlan, listing: ListingStock) -> QuantityPlan:
    allotment, cap = listing.policy.allotment, listing.policy.cap
    if allotment.value is not None:
        why = f"{allotment.value} are set aside for {listing.channel}"
        plan = plan.lowered("allotment", allotment.value, why, allotment.source)
    if cap.value is not None:
        plan = plan.lowered("cap", cap.value, f"{listing.channel} is shown at most {cap.value}", cap.source)
    if listing.quota is not None:
        plan = plan.lowered("flash", listing.quota.left, listing.quota.why, listing.quota.source)
    return plan


def _kept_back(listing: ListingStock) -> tuple[int, str]:
    """How many codes the buffer keeps back, and why."""
    match listing.policy.buffer:
        case Said(CountBuffer(codes)):
            return codes, f"{codes} kept back"
        case Said(PartBuffer(part_ppm)):
            codes = -(-listing.sellable * part_ppm // WHOLE_PPM)
            return codes, f"{codes} kept back: {percent(part_ppm)} of {listing.sellable}"
        case Said(RiskBuffer() as risk, source):
            return _kept_for_risk(listing, risk, source)
    raise AssertionError("a buffer of a kind that nobody knows")


def _kept_for_risk(listing: ListingStock, risk: RiskBuffer, source: str) -> tuple[int, str]:
    measured = bool(listing.lag.seconds)
    lag = listing.lag if measured else Lag((risk.lag_seconds,), (1.0,))
    kept = buffer_for(listing.elsewhere_per_second, listing.mean_quantity, lag, risk.chance)
    per_day = listing.elsewhere_per_second * _DAY_SECONDS
    if measured:
        within = f"the measured lag (median {_seconds(lag, 0.5)}, 99 % below {_seconds(lag, 0.99)})"
    else:
        within = f"{risk.lag_seconds:g} s, assumed until the lag is measured ({source}: lag_seconds)"
    return kept, (
        f"{kept} kept back: with {per_day:.3g} sold elsewhere a day, {listing.mean_quantity:.3g} an order,"
        f" more are sold within {within} at a chance of at most {risk.chance:g}"
    )


def _seconds(lag: Lag, q: float) -> str:
    return f"{lag.quantile(q) or 0.0:.3g} s"
