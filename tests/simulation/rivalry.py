"""Runs seeded days on which two price bots compete with our repricer; tells of prices and alerts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields

from rich.table import Table

from core.offers.price.rule import PriceRule
from core.offers.replay.scene import Policy
from core.offers.replay.tallies import Outcome, highest_share, merged
from core.offers.replay.world import Actor, World
from tests.simulation.alarm import Alarm
from tests.simulation.bots import two_bots
from tests.simulation.contest import Contest
from tests.simulation.day import CHANCE, DayShape, by_risk, make_day
from tests.simulation.repricer import DAMPED, UNDAMPED, Repricer
from tests.simulation.side_by_side import CONFIDENCE

# The bestsellers, on every channel.
CONTESTED_SKUS = 30


@dataclass(frozen=True, slots=True)
class Rivalry:
    """Days under one stock policy and one way to answer rivals.

    `lowest_share` is our lowest price in relation to what was aimed at, `rivals_lowest_share` theirs in
    relation to where they began. Earned is what contested listings brought, less commission, cost and paid
    changes. `alerts_repeated` are those raised while they stood: there must be none.
    """

    policy: str
    damped: bool
    sold: int
    lost_to_rivals: int
    oversold: int
    refused: int
    at_most: float
    idle_code_days: float
    price_changes: int
    paid_changes: int
    paid_minor: int
    earned_minor: int
    lowest_share: float
    rivals_lowest_share: float
    alerts_raised: int
    alerts_cleared: int
    alerts_repeated: int

    @property
    def holds(self) -> bool:
        """Whether the stock policy holds the wanted chance on these days, too."""
        return self.at_most <= CHANCE


@dataclass(frozen=True, slots=True)
class _Lived:
    outcome: Outcome
    ours: float
    theirs: float


def contested(
    policy: Policy, rule: PriceRule, seeds: Sequence[int], shape: DayShape, skus: int = CONTESTED_SKUS
) -> Rivalry:
    """The days of these seeds under a policy, with bots."""
    days = [_live(policy, rule, seed, shape, skus) for seed in seeds]
    outcome = merged(day.outcome for day in days)
    total, counts = outcome.total, outcome.counts
    return Rivalry(
        policy=policy.name,
        damped=rule is not UNDAMPED,
        sold=total.sold,
        lost_to_rivals=counts["lost to rivals"],
        oversold=total.oversold,
        refused=total.refused,
        at_most=highest_share(total.oversold + total.refused, total.sold + total.refused, CONFIDENCE),
        idle_code_days=round(total.idle_code_days, 1),
        price_changes=counts["price changes"],
        paid_changes=counts["paid"],
        paid_minor=counts["paid minor"],
        earned_minor=counts["earned minor"],
        lowest_share=min(day.ours for day in days),
        rivals_lowest_share=min(day.theirs for day in days),
        alerts_raised=counts["alerts raised"],
        alerts_cleared=counts["alerts cleared"],
        alerts_repeated=counts["alerts repeated"],
    )


def all_contested(policies: Sequence[Policy], seeds: Sequence[int], shape: DayShape) -> Iterator[Rivalry]:
    """Each policy with damping; the one sized by risk without it, too."""
    for policy in policies:
        yield contested(policy, DAMPED, seeds, shape)
    yield contested(by_risk(), UNDAMPED, seeds, shape)


def rivalry_report(rows: Sequence[Rivalry]) -> list[dict[str, object]]:
    """The rows for programs."""
    return [{**asdict(row), "holds": row.holds} for row in rows]


def rivalry_table(rows: Sequence[Rivalry]) -> Table:
    """The rows for people."""
    shown = Table(title="the same days with two price bots and the alert rules that everybody has")
    for each in fields(Rivalry):
        shown.add_column(each.name.replace("_", " "), justify="left" if each.name == "policy" else "right")
    for row in rows:
        shown.add_row(*(_cell(getattr(row, each.name), each.name) for each in fields(Rivalry)))
    return shown


def _cell(value: object, name: str) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float) and name != "idle_code_days":
        return f"{value:.3%}" if name == "at_most" else f"{value:.1%}"
    return str(value)


def _live(policy: Policy, rule: PriceRule, seed: int, shape: DayShape, skus: int) -> _Lived:
    scene = make_day(seed, shape)
    contest = Contest.over(scene, skus, seed)
    repricer, bots = Repricer(contest, rule), two_bots(contest)
    repricer.enter()
    for bot in bots:
        bot.enter(repricer.targets)
    actors: Sequence[Actor] = (contest, repricer, *bots, Alarm.of(scene))
    outcome = World(scene, policy, seed, actors).run()
    return _Lived(outcome, repricer.lowest_share, min(bot.lowest_share for bot in bots))
