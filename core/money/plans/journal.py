"""Decides the entries of a split: where all its money stands at a moment, and what moves it there. Pure.

A *position* is what the accounts of one line hold, given its split, what was refunded, what has happened,
and when. It sums to zero. Whatever happens (sale, vesting, refund, redemption, lapse) posts the difference
of two positions, so the entries of a line always sum to its position, a full refund to the exact negative,
and it makes no difference whether a part vested before or after a refund.

Debit is positive. What is not yet vested stands under `held`; a rule that vests at once has no such entry,
and a plan of channel, operator and consignor posts:

    channel   receivable   what the marketplace owes us, its commission off
    channel   commission   cost: what the marketplace charged
    channel   recharged    income: the same, charged on to the sale
    operator  commission   income; or `loss`, a cost, where the sum is below zero
    consignor, referrer, party   payable   liabilities
    budget    set_aside    liability to a purpose, spent by `budgets`
    buyer     rebate       liability to the buyer
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from core.money.plans.facts import Milestones
from core.money.plans.refunds import Refunded, Returned, returned
from core.money.plans.rules import OPERATOR, Party, PartyKind, Rule
from core.money.plans.vesting import parts, standing
from core.money.plans.waterfall import Run, Split
from core.money.posting import Posting

# Party, name, purpose: the words of an account but for its currency.
Account = tuple[str, str, str]

_PURPOSES = {
    PartyKind.CHANNEL: "recharged",
    PartyKind.OPERATOR: "commission",
    PartyKind.CONSIGNOR: "payable",
    PartyKind.REFERRER: "payable",
    PartyKind.BUDGET: "set_aside",
    PartyKind.BUYER: "rebate",
    PartyKind.OTHER: "payable",
}
_HELD = "held"


@dataclass(frozen=True, slots=True)
class Due:
    """A dated entry to come: a part of a share goes from held to its owner, or lapses to another."""

    rule: str
    owner: Account
    amount_minor: int
    at: datetime | None  # None: when what it waits for happens
    lapses: bool


def position(split: Split, refunded: Refunded, milestones: Milestones, now: datetime) -> dict[Account, int]:
    """What stands on each account; sums to zero. Accounts at zero are left out."""
    channel = split.facts.channel
    balances: dict[Account, int] = dict.fromkeys(
        (
            ("channel", channel, "receivable"),
            ("channel", channel, "commission"),
            ("channel", channel, "recharged"),
            ("operator", "", "commission"),
            ("operator", "", "loss"),
        ),
        0,
    )
    back = returned(split, refunded)
    for rule_index, rule in enumerate(split.plan.rules):
        for owner, amount_minor in _owned(split, rule_index, back).items():
            _stand(balances, rule, owner, amount_minor, milestones, now, split)
    for run, given in zip(split.runs, back, strict=True):
        loss_minor = run.loss_minor * run.count - given.loss_minor
        _add(balances, _account(OPERATOR, split, run), -loss_minor)
        _add(balances, _account(split.plan.kept_borne_by, split, run), given.borne_minor)
    kept_minor = -balances["channel", channel, "recharged"]
    paid_minor = split.facts.gross_minor - sum(refunded.amounts_minor)
    balances["channel", channel, "receivable"] = paid_minor - kept_minor
    balances["channel", channel, "commission"] = kept_minor
    _turn_into_loss(balances, split.facts.gross_minor)
    return {account: amount_minor for account, amount_minor in balances.items() if amount_minor}


def moves(before: Mapping[Account, int], after: Mapping[Account, int], currency: str) -> list[Posting]:
    """The entries from one position to the next; they sum to zero."""
    accounts = [*after, *(account for account in before if account not in after)]
    changes = ((account, after.get(account, 0) - before.get(account, 0)) for account in accounts)
    return [Posting(*account, amount_minor, currency) for account, amount_minor in changes if amount_minor]


def sale_postings(split: Split, milestones: Milestones, now: datetime) -> list[Posting]:
    """The entries of a sale."""
    return moves({}, position(split, Refunded.nothing(split), milestones, now), split.currency)


def schedule(split: Split, refunded: Refunded, milestones: Milestones, now: datetime) -> list[Due]:
    """What is still to vest or lapse after now, in the plan's order, with its date where that is known."""
    back = returned(split, refunded)
    found = []
    for rule_index, rule in enumerate(split.plan.rules):
        for owner, amount_minor in _owned(split, rule_index, back).items():
            for part in parts(rule, amount_minor, milestones):
                at = part.lapses_at if part.lapses else part.due_at
                if part.amount_minor and (at is None or at > now):
                    goes_to = _lapse_account(rule, owner, split) if part.lapses else owner
                    found.append(Due(rule.name, goes_to, part.amount_minor, at, part.lapses))
    return found


def _owned(split: Split, index: int, back: list[Returned]) -> dict[Account, int]:
    """What is left to each owner of a rule's share, after refunds."""
    party = split.plan.rules[index].party
    owned: dict[Account, int] = {}
    if party.kind is PartyKind.CONSIGNOR:
        # In the order in which the sale names them.
        owned = {("consignor", codes.consignor, _PURPOSES[party.kind]): 0 for codes in split.facts.codes}
    for run, given in zip(split.runs, back, strict=True):
        account = _account(party, split, run)
        amount_minor = run.amounts_minor[index] * run.count - given.amounts_minor[index]
        owned[account] = owned.get(account, 0) + amount_minor
    return owned


def _stand(
    balances: dict[Account, int],
    rule: Rule,
    owner: Account,
    amount_minor: int,
    milestones: Milestones,
    now: datetime,
    split: Split,
) -> None:
    stands = standing(rule, amount_minor, milestones, now)
    party, name, _ = owner
    _add(balances, owner, -stands.vested_minor)
    _add(balances, (party, name, _HELD), -stands.held_minor)
    _add(balances, _lapse_account(rule, owner, split), -stands.lapsed_minor)


def _lapse_account(rule: Rule, owner: Account, split: Split) -> Account:
    return owner if rule.lapse is None else _account(rule.lapse.to, split, split.runs[0])


def _account(party: Party, split: Split, run: Run) -> Account:
    purpose = _PURPOSES[party.kind]
    match party.kind:
        case PartyKind.CHANNEL:
            return "channel", split.facts.channel, purpose
        case PartyKind.OPERATOR:
            return "operator", "", purpose
        case PartyKind.CONSIGNOR:
            return "consignor", run.consignor, purpose
        case PartyKind.REFERRER:
            known = split.facts.referrers
            return "referrer", known[party.level - 1] if len(known) >= party.level else "", purpose
        case PartyKind.BUYER:
            return "buyer", split.facts.buyer or "", purpose
        case PartyKind.BUDGET | PartyKind.OTHER:
            return str(party.kind), party.name, purpose


def _turn_into_loss(balances: dict[Account, int], gross_minor: int) -> None:
    """The operator's commission below zero is a loss; on a line below zero it is the other way round."""
    earned_minor = -balances["operator", "", "commission"]
    if (earned_minor < 0) if gross_minor >= 0 else (earned_minor > 0):
        _add(balances, ("operator", "", "loss"), -earned_minor)
        balances["operator", "", "commission"] = 0


def _add(balances: dict[Account, int], account: Account, amount_minor: int) -> None:
    balances[account] = balances.get(account, 0) + amount_minor
