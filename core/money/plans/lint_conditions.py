"""Decides which rules of a plan can apply to one sale together, and which conditions can never hold. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import combinations

from core.money.plans.rules import Condition, Plan

_GROUPS_AT_MOST = 256
_EVER = datetime.max.replace(tzinfo=UTC)
_ALWAYS = datetime.min.replace(tzinfo=UTC)


def together(plan: Plan) -> list[frozenset[int]]:
    """The largest groups of rules that one sale can meet.

    All rules in one where there are too many groups.
    """
    able = [index for index, rule in enumerate(plan.rules) if not list(contradictions(rule.when, plan))]
    partners: dict[int, set[int]] = {index: set() for index in able}
    for first, second in combinations(able, 2):
        if _compatible(plan.rules[first].when, plan.rules[second].when):
            partners[first].add(second)
            partners[second].add(first)
    groups: list[frozenset[int]] = []
    for group in _cliques(frozenset(), set(able), set(), partners):
        groups.append(group)
        if len(groups) > _GROUPS_AT_MOST:
            return [frozenset(able)]
    return groups


def contradictions(when: Condition, plan: Plan) -> Iterator[str]:
    """Why a condition can never hold, and how to mend it."""
    first, last = when.orders_from or 1, when.orders_to
    if when.tags and set(when.tags) <= set(when.unless_tags):
        yield f"every tag it wants ({', '.join(when.tags)}) is one it refuses: remove them from unless_tags"
    if last is not None and first > last:
        yield f"it begins with the buyer's order {first} and ends with order {last}: exchange them"
    if when.starts_at is not None and when.ends_at is not None and when.starts_at >= when.ends_at:
        yield "it ends before it begins: exchange starts_at and ends_at"
    elif not _meet(when.starts_at, when.ends_at, plan.starts_at, plan.ends_at):
        yield "its dates lie outside the plan's own: move them"


def _compatible(first: Condition, second: Condition) -> bool:
    """Whether one sale can meet both; where that is not certain, it can."""
    for mine, theirs in ((first.channels, second.channels), (first.skus, second.skus)):
        if mine and theirs and not set(mine) & set(theirs):
            return False
    for one, other in ((first, second), (second, first)):
        if one.tags and set(one.tags) <= set(other.unless_tags):
            return False
    if not _meet(first.starts_at, first.ends_at, second.starts_at, second.ends_at):
        return False
    highest_first = max(first.orders_from or 1, second.orders_from or 1)
    ends = [end for end in (first.orders_to, second.orders_to) if end is not None]
    return not ends or highest_first <= min(ends)


def _meet(
    start: datetime | None, end: datetime | None, other_start: datetime | None, other_end: datetime | None
) -> bool:
    return max(start or _ALWAYS, other_start or _ALWAYS) < min(end or _EVER, other_end or _EVER)


def _cliques(
    chosen: frozenset[int], open_to: set[int], done: set[int], partners: dict[int, set[int]]
) -> Iterator[frozenset[int]]:
    """Bron and Kerbosch, with a pivot; the caller bounds how many are taken."""
    if not open_to and not done:
        yield chosen
        return
    pivot = max(open_to | done, key=lambda index: (len(partners[index] & open_to), -index))
    for index in sorted(open_to - partners[pivot]):
        yield from _cliques(chosen | {index}, open_to & partners[index], done & partners[index], partners)
        open_to = open_to - {index}
        done = done | {index}
