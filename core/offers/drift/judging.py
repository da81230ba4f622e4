"""Decides what a difference between what a channel was told and what it shows is, and what to do of it. Pure.

Where the number shown could promise codes twice, or sells what is closed, it is always put right: no policy
and no question stands before that. Everything else follows the channel's policy, by kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from core.errors import PlanRefused
from core.types import ListingId, ListingRef


class What(StrEnum):
    """What of an offer differs."""

    QUANTITY = "quantity"
    PRICE = "price"
    SWITCH = "switch"  # on or off
    LISTING = "listing"  # the listing as a whole


class Kind(StrEnum):
    """Why it differs, as far as can be told."""

    EDITED = "edited by hand"
    LOST = "lost update"  # it acknowledged, and shows what it had before
    ROUNDED = "rounding"
    SOLD = "sold meanwhile"
    UNKNOWN = "unknown listing"
    VANISHED = "vanished listing"


class Policy(StrEnum):
    """What an operator wants done about a kind of drift."""

    REPAIR = "repair"
    ADOPT = "adopt"
    ASK = "ask"


class Action(StrEnum):
    """What is done now."""

    REPAIR = "repair"  # told again
    ADOPT = "adopt"  # wanted as it is shown, until somebody clears it
    HOLD = "hold"  # the same, until a person has decided
    LEAVE = "leave"  # nothing is to be done


@dataclass(frozen=True, slots=True)
class Face:
    """What a listing shows: its price on the side that we write. None: not known."""

    quantity: int | None
    price_minor: int | None
    on: bool | None

    def __str__(self) -> str:
        return f"{self.quantity} at {self.price_minor}" if self.on else "off"


@dataclass(frozen=True, slots=True)
class Lately:
    """How often one thing of a listing was put right in the rule's span, and when last."""

    repairs: int = 0
    last_at: datetime | None = None


_NEVER = Lately()


@dataclass(frozen=True, slots=True)
class Compared:
    """A settled listing as it was told, as it was before that, and as it is seen.

    `held` are units with buyers that the channel does not show; `sold` those that were sold there since it
    acknowledged. None observed: the listing was not to be seen.
    """

    listing_id: ListingId
    listing_ref: ListingRef
    published: Face
    before: Face
    observed: Face | None
    held: int = 0
    sold: int = 0
    lately: Mapping[What, Lately] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriftRule:
    """How a channel's drift is treated.

    Prices that differ by less than `price_step_minor` are the channel's rounding. What drifts more than
    `fight_after` times in `fight_span` is a fight with somebody: each repair then waits twice as long as the
    one before, beginning with `first_wait`, and a person is asked.
    """

    policies: Mapping[tuple[What, Kind], Policy] = field(default_factory=dict)
    price_step_minor: int = 1
    fight_after: int = 4
    fight_span: timedelta = timedelta(hours=6)
    first_wait: timedelta = timedelta(minutes=1)
    longest_wait: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.price_step_minor < 1 or self.fight_after < 1:
            raise PlanRefused("drift: price step and fight_after are whole numbers above zero")

    def policy(self, what: What, kind: Kind) -> Policy:
        """The policy for a kind; what is not said is repaired."""
        return self.policies.get((what, kind), Policy.REPAIR)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that differs, what it is, what is done now, and whether a person is asked."""

    what: What
    kind: Kind
    action: Action
    asks: bool
    why: str

    @property
    def explained(self) -> bool:
        """Whether nobody needs to hear of it."""
        return self.action is Action.LEAVE and not self.asks


def judge(compared: Compared, rule: DriftRule, now: datetime) -> list[Finding]:
    """What differs of one listing, and what to do; nothing where it shows what it was told."""
    observed = compared.observed
    if observed is None:
        return [_vanished(compared, rule, now)] if compared.published.on else []
    findings = []
    switch, quantity = _switch_kind(compared, observed), _quantity_kind(compared, observed)
    if switch is not None:
        findings.append(_decide(compared, What.SWITCH, switch, rule, now, unsafe=bool(observed.on)))
    elif observed.on and quantity is not None:
        unsafe = (observed.quantity or 0) > (compared.published.quantity or 0)
        findings.append(_decide(compared, What.QUANTITY, quantity, rule, now, unsafe=unsafe))
    price = _price_kind(compared, observed, rule) if observed.on else None
    if price is not None:
        findings.append(_decide(compared, What.PRICE, price, rule, now, unsafe=False))
    return findings


def _switch_kind(compared: Compared, observed: Face) -> Kind | None:
    published = compared.published
    if bool(observed.on) == bool(published.on):
        return None
    if not observed.on and 0 < (published.quantity or 0) <= compared.held + compared.sold:
        return Kind.SOLD
    return Kind.LOST if observed.on == compared.before.on else Kind.EDITED


def _quantity_kind(compared: Compared, observed: Face) -> Kind | None:
    published, shown = compared.published.quantity or 0, observed.quantity or 0
    if shown == published:
        return None
    free = published - compared.held
    # What was sold since may be counted there already or not; what is held there surely is.
    if shown < published and free - compared.sold <= shown <= free:
        return Kind.SOLD
    return Kind.LOST if shown == compared.before.quantity else Kind.EDITED


def _price_kind(compared: Compared, observed: Face, rule: DriftRule) -> Kind | None:
    published, shown = compared.published.price_minor, observed.price_minor
    if shown is None or published is None or shown == published:
        return None
    if abs(shown - published) < rule.price_step_minor:
        return Kind.ROUNDED
    return Kind.LOST if shown == compared.before.price_minor else Kind.EDITED


def _decide(
    compared: Compared, what: What, kind: Kind, rule: DriftRule, now: datetime, *, unsafe: bool
) -> Finding:
    if kind is Kind.ROUNDED:
        return Finding(what, kind, Action.LEAVE, False, "the channel rounds: what it shows is as good")
    if kind is Kind.SOLD:
        return Finding(what, kind, Action.LEAVE, False, "sold or held there")
    lately = compared.lately.get(what, _NEVER)
    fights = lately.repairs >= rule.fight_after
    if fights and (unsafe or _rested(rule, lately, now)):
        return Finding(what, kind, Action.REPAIR, True, f"told again, {_fight_why(lately)}")
    if fights:
        return Finding(what, kind, Action.LEAVE, True, f"left for a while, {_fight_why(lately)}")
    if unsafe:
        return Finding(what, kind, Action.REPAIR, False, "shows more than it may: told again")
    match rule.policy(what, kind):
        case Policy.REPAIR:
            return Finding(what, kind, Action.REPAIR, False, "told again")
        case Policy.ADOPT:
            return Finding(what, kind, Action.ADOPT, False, "kept as it is shown until somebody clears it")
        case Policy.ASK:
            return Finding(what, kind, Action.HOLD, True, "kept as it is shown until somebody decides")


def _rested(rule: DriftRule, lately: Lately, now: datetime) -> bool:
    """Whether the last repair is long enough ago; each wait is twice the one before."""
    doublings = min(lately.repairs - rule.fight_after, 20)
    wait = min(rule.first_wait * 2**doublings, rule.longest_wait)
    return lately.last_at is None or now - lately.last_at >= wait


def _fight_why(lately: Lately) -> str:
    return f"but put right {lately.repairs} times lately: somebody sets it back, perhaps another program"


def _vanished(compared: Compared, rule: DriftRule, now: datetime) -> Finding:
    finding = _decide(compared, What.LISTING, Kind.VANISHED, rule, now, unsafe=False)
    if finding.action in (Action.ADOPT, Action.HOLD):
        # There is nothing to be kept of what is not there.
        return replace(finding, action=Action.LEAVE, asks=True, why="left until somebody decides")
    return finding
