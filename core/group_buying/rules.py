"""Decides which group a buyer joins, who has left one, and when one is complete or has failed. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.group_buying.offers import GroupOffer
from core.types import BuyerId, OrderState

# What a shop may call a group: it stands in addresses and on pages.
_REF = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
# An order whose buyer has no part in the group any more.
GONE = frozenset({OrderState.CANCELLED, OrderState.REFUNDED, OrderState.RELEASED, OrderState.REFUSED})


class Outcome(StrEnum):
    """How a group ended."""

    FULL = "full"
    BY_RULE = "by rule"
    BY_HAND = "by hand"
    FAILED = "failed"


class SeatState(StrEnum):
    """Where an order stands that asked for a place in a group."""

    WAITING = "waiting"  # not looked at yet, or without codes
    SEATED = "seated"
    BOUGHT = "bought"  # its group was completed
    LEFT = "left"  # taken back before that; the seat is free again
    FAILED = "failed"  # its group failed: the money goes back
    REFUSED = "refused"  # no group would have it: the money goes back
    OVER = "over"  # ended before it got a seat


@dataclass(frozen=True, slots=True)
class Group:
    """A group as it opened; `ref` is its name to the world."""

    group_id: int
    ref: str
    offer: str
    size: int
    at_least: int | None
    opened_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Sitting:
    """Who sits where."""

    seat_no: int
    buyer_id: BuyerId


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who wants to join: everybody that counts as this buyer, what he asked for, and what he has already."""

    persons: frozenset[BuyerId]
    pieces: int
    wanted_ref: str | None
    had_pieces: int


@dataclass(frozen=True, slots=True)
class Join:
    """Take this seat of a group that is open."""

    group_id: int
    seat_no: int


@dataclass(frozen=True, slots=True)
class Open:
    """Open a group and take its first seat; `ref` None: under a name of our making."""

    ref: str | None


@dataclass(frozen=True, slots=True)
class Refuse:
    """There is no seat for this buyer, and why."""

    why: str


def outcome(group: Group, taken: int, now: datetime) -> Outcome | None:
    """What has become of a group with so many seats taken; None: it goes on."""
    assert taken <= group.size, f"group {group.ref} has {taken} buyers on {group.size} seats"
    if taken == group.size:
        return Outcome.FULL
    if now < group.ends_at:
        return None
    if group.at_least is not None and taken >= group.at_least:
        return Outcome.BY_RULE
    return Outcome.FAILED


def place(
    offer: GroupOffer,
    candidate: Candidate,
    groups: Sequence[tuple[Group, Collection[Sitting]]],
    known_refs: Collection[str],
    now: datetime,
) -> Join | Open | Refuse:
    """Where a buyer goes: the group he named if it has a seat, else the oldest open one, else a new one.

    `groups` are all open groups of the offer, the oldest first; `known_refs` are names that
    groups bear or bore. Nobody sits twice in a group, so nobody fills one alone.
    """
    if candidate.had_pieces + candidate.pieces > offer.limit_per_buyer:
        return Refuse(
            f"{candidate.pieces} pieces after {candidate.had_pieces} are above the {offer.limit_per_buyer}"
            " that a buyer may have"
        )
    wanted = candidate.wanted_ref
    going = [(group, sitting) for group, sitting in groups if now < group.ends_at]
    may_open = offer.groups_at_once is None or len(going) < offer.groups_at_once
    if may_open and _may_be_called(wanted, known_refs):
        return Open(wanted)
    for group, sitting in sorted(going, key=lambda each: each[0].ref != wanted):
        seat_no = _free_seat(group, sitting, candidate)
        if seat_no is not None:
            return Join(group.group_id, seat_no)
    if may_open:
        return Open(None)
    return Refuse(f"{len(going)} groups are open, as many as may be, and the buyer sits in each of them")


def _may_be_called(ref: str | None, known_refs: Collection[str]) -> bool:
    """Whether a group may open under a name that a shop made up."""
    return ref is not None and _REF.match(ref) is not None and ref not in known_refs


def _free_seat(group: Group, sitting: Collection[Sitting], candidate: Candidate) -> int | None:
    """The lowest free seat; None where there is none, or the buyer sits there already."""
    if any(each.buyer_id in candidate.persons for each in sitting):
        return None
    free = set(range(1, group.size + 1)) - {each.seat_no for each in sitting}
    return min(free, default=None)
