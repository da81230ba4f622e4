"""Shows that any plan gives away exactly the amount, whatever is sold, refunded or waited for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.errors import SaleUnsplit
from core.money.money import Money
from core.money.plans.explaining import waterfall
from core.money.plans.facts import CodesOf, Milestones, SaleFacts
from core.money.plans.journal import Account, moves, position, sale_postings, schedule
from core.money.plans.refunds import Refunded, refund_amount, refund_units, returned, touched
from core.money.plans.rules import OnRefund, Plan, Scope
from core.money.plans.stored import plan_from_json, plan_to_json
from core.money.plans.waterfall import Split, evaluate
from core.money.posting import Posting
from tests.unit.drawn_plans import REST, SOLD_AT, milestones, moments, plans, sales
from tests.unit.plan_entries import refund_postings, release_postings

owners = st.lists(
    st.tuples(st.sampled_from(["Ada", "Bo", "Chen"]), st.integers(0, 40)), min_size=1, max_size=5
).filter(lambda given_codes: sum(codes for _, codes in given_codes) > 0)


def split(plan: Plan, facts: SaleFacts) -> Split:
    try:
        return evaluate(plan, facts)
    except SaleUnsplit:
        assume(False)
        raise


def summed(*lists: list[Posting]) -> dict[Account, int]:
    total: dict[Account, int] = {}
    for entries in lists:
        assert sum(entry.amount_minor for entry in entries) == 0
        for entry in entries:
            account = (entry.party, entry.party_name, entry.purpose)
            total[account] = total.get(account, 0) + entry.amount_minor
    return {account: amount for account, amount in total.items() if amount}


@given(plans(), sales())
@settings(max_examples=150)
def test_exactly_the_amount_is_given_away(plan: Plan, facts: SaleFacts) -> None:
    found = split(plan, facts)
    for run in found.runs:
        assert sum(run.amounts_minor) + run.loss_minor == run.price_minor
        assert run.loss_minor <= 0
    steps = waterfall(found).steps
    assert sum(step.amount_minor for step in steps) == facts.gross_minor
    assert [step.from_minor for step in steps] == [facts.gross_minor, *(step.to_minor for step in steps[:-1])]
    assert steps[-1].to_minor == 0


@given(plans(), sales(), milestones(), moments)
def test_every_position_sums_to_zero(
    plan: Plan, facts: SaleFacts, reached: Milestones, now: datetime
) -> None:
    found = split(plan, facts)
    summed(sale_postings(found, reached, now))


@given(plans(), sales())
def test_a_negative_line_is_the_exact_negative(plan: Plan, facts: SaleFacts) -> None:
    found = split(plan, facts)
    lines = tuple(-line for line in facts.order_lines_minor)
    mirrored = split(plan, replace(facts, unit_price=-facts.unit_price, order_lines_minor=lines))
    there = summed(sale_postings(found, Milestones(SOLD_AT), SOLD_AT))
    back = summed(sale_postings(mirrored, Milestones(SOLD_AT), SOLD_AT))
    if facts.gross_minor:
        assert back == {account: -amount for account, amount in there.items()}


@given(plans(), sales(), milestones(), moments)
def test_a_replay_is_identical(plan: Plan, facts: SaleFacts, reached: Milestones, now: datetime) -> None:
    first, again = split(plan, facts), split(plan_from_json(plan.name, 1, plan_to_json(plan)), facts)
    assert first == again
    assert sale_postings(first, reached, now) == sale_postings(again, reached, now)


@given(plans(history=False), sales(history=False))
def test_without_history_two_lines_are_one(plan: Plan, facts: SaleFacts) -> None:
    assume(all(rule.scope is Scope.UNIT for rule in plan.rules))
    whole = split(plan, facts)
    parts: dict[Account, int] = {}
    for codes in reversed(facts.codes):
        for _ in range(codes.quantity):
            one = replace(facts, codes=(replace(codes, quantity=1),), order_lines_minor=())
            for posting in sale_postings(split(plan, one), Milestones(SOLD_AT), SOLD_AT):
                account = (posting.party, posting.party_name, posting.purpose)
                parts[account] = parts.get(account, 0) + posting.amount_minor
    together = summed(sale_postings(whole, Milestones(SOLD_AT), SOLD_AT))
    if all(rule.vest.parts == 1 for rule in plan.rules):
        assert merged_loss(parts) == merged_loss(together)


def merged_loss(balances: dict[Account, int]) -> dict[Account, int]:
    """A loss on one unit and a commission on another are netted within one line, not between lines."""
    operator = [account for account in balances if account[0] == "operator" and account[2] != "held"]
    merged = {account: amount for account, amount in balances.items() if account not in operator}
    merged["operator", "", "sum"] = sum(balances[account] for account in operator)
    return {account: amount for account, amount in merged.items() if amount}


@given(plans(), sales(), milestones(), moments, st.data())
@settings(max_examples=150)
def test_partial_refunds_sum_to_the_full_refund(
    plan: Plan, facts: SaleFacts, reached: Milestones, now: datetime, data: st.DataObject
) -> None:
    found = split(plan, facts)
    state, posted = Refunded.nothing(found), []
    for _ in range(data.draw(st.integers(0, 4))):
        after = drawn_refund(found, state, data)
        posted.append(refund_postings(found, state, after, reached, now))
        for run, given_back, amount in zip(
            found.runs, returned(found, after), after.amounts_minor, strict=True
        ):
            assert sum(given_back.amounts_minor) + given_back.loss_minor + given_back.borne_minor == amount
            assert abs(amount) <= abs(run.price_minor * run.count)
        state = after
    full = Refunded.everything(found)
    posted.append(refund_postings(found, state, full, reached, now))
    at_once = refund_postings(found, Refunded.nothing(found), full, reached, now)
    assert summed(*posted) == summed(at_once)


def drawn_refund(found: Split, state: Refunded, data: st.DataObject) -> Refunded:
    """Some units of one consignor, or some amount; the same state where nothing is left."""
    whole = Refunded.everything(found)
    left = sum(whole.amounts_minor) - sum(state.amounts_minor)
    names = sorted({run.consignor for run in found.runs})
    if left and data.draw(st.booleans()):
        return refund_amount(found, state, data.draw(st.integers(1, left)))
    name = data.draw(st.sampled_from(names))
    untouched = sum(
        run.count - touched(run, amount, free)
        for run, amount, free in zip(found.runs, state.amounts_minor, state.free_units, strict=True)
        if run.consignor == name
    )
    return refund_units(found, state, name, data.draw(st.integers(1, untouched))) if untouched else state


@given(plans(), sales(), milestones(), moments)
def test_a_full_refund_is_the_exact_negative_where_nobody_keeps_a_fee(
    plan: Plan, facts: SaleFacts, reached: Milestones, now: datetime
) -> None:
    assume(all(rule.on_refund is not OnRefund.KEPT for rule in plan.rules))
    found = split(plan, facts)
    nothing, everything = Refunded.nothing(found), Refunded.everything(found)
    assert position(found, everything, reached, now) == {}
    assert (
        summed(sale_postings(found, reached, now), refund_postings(found, nothing, everything, reached, now))
        == {}
    )


@given(plans(), sales(), milestones(), st.lists(moments, min_size=2, max_size=4), st.data())
def test_vesting_before_or_after_a_refund_ends_the_same(
    plan: Plan, facts: SaleFacts, reached: Milestones, at: list[datetime], data: st.DataObject
) -> None:
    found = split(plan, facts)
    sold, refunded_at, *_ = times = sorted(at)
    nothing = Refunded.nothing(found)
    after = drawn_refund(found, nothing, data)
    entries = [sale_postings(found, reached, sold)]
    entries.append(release_postings(found, nothing, reached, sold, refunded_at))
    entries.append(refund_postings(found, nothing, after, reached, refunded_at))
    entries.append(release_postings(found, after, reached, refunded_at, times[-1]))
    early = [sale_postings(found, reached, sold), refund_postings(found, nothing, after, reached, sold)]
    early.append(release_postings(found, after, reached, sold, times[-1]))
    assert summed(*entries) == summed(*early) == position(found, after, reached, times[-1])


@given(plans(), sales(), milestones(), moments)
def test_the_schedule_says_what_is_held(
    plan: Plan, facts: SaleFacts, reached: Milestones, now: datetime
) -> None:
    found = split(plan, facts)
    nothing = Refunded.nothing(found)
    held = sum(
        amount for account, amount in position(found, nothing, reached, now).items() if account[2] == "held"
    )
    due = schedule(found, nothing, reached, now)
    assert sum(part.amount_minor for part in due) == -held
    dates = [part.at for part in due if part.at is not None]
    if all(part.at is not None for part in due) and dates:
        last = position(found, nothing, reached, max(dates))
        assert not any(account[2] == "held" for account in last)


def test_moves_between_the_same_positions_are_none() -> None:
    facts = SaleFacts(Money(100, "EUR"), (CodesOf("Ada", 1),), "shop", SOLD_AT)
    plan = Plan("all", (REST,))
    there = position(evaluate(plan, facts), Refunded((0,), (0,)), Milestones(SOLD_AT), SOLD_AT)
    assert moves(there, there, "EUR") == []
