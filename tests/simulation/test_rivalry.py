"""A few hours with two price bots: damping ends the race, budgets hold, and no alert comes twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from core.offers.price.facts import ChangeMade
from core.types import ChannelId
from tests.simulation.alarm import Alarm
from tests.simulation.day import DayShape, by_risk, fixed, make_day, naive
from tests.simulation.repricer import BEGINNING, DAMPED, UNDAMPED, budget_of
from tests.simulation.rivalry import Rivalry, contested, rivalry_report, rivalry_table

# Some fifteen seconds of reckoning, on a machine that does nothing else.
pytestmark = pytest.mark.timeout(400)

HOURS = DayShape(skus=60, sales=1500, bursts=4, seconds=6 * 3600.0)
CONTESTED = 10


@pytest.fixture(scope="module")
def lived() -> Mapping[str, Rivalry]:
    """The same hours under each policy, and without damping."""
    return {
        "naive": contested(naive(), DAMPED, [1], HOURS, CONTESTED),
        "fixed": contested(fixed(3), DAMPED, [1], HOURS, CONTESTED),
        "risk": contested(by_risk(), DAMPED, [1], HOURS, CONTESTED),
        "undamped": contested(by_risk(), UNDAMPED, [1], HOURS, CONTESTED),
    }


def test_two_bots_do_not_pull_a_damped_price_below_its_reserve(lived: Mapping[str, Rivalry]) -> None:
    assert lived["risk"].lowest_share >= 0.9
    assert lived["undamped"].lowest_share < 0.9


def test_damping_spends_few_changes_and_pays_for_none(lived: Mapping[str, Rivalry]) -> None:
    damped, undamped = lived["risk"], lived["undamped"]
    assert (damped.paid_changes, damped.paid_minor) == (0, 0)
    assert undamped.paid_changes > 0
    assert undamped.paid_minor >= 25 * undamped.paid_changes
    assert damped.price_changes < undamped.price_changes / 5


def test_no_alert_is_raised_twice_without_a_clear_between(lived: Mapping[str, Rivalry]) -> None:
    for row in lived.values():
        assert row.alerts_repeated == 0
        assert row.alerts_raised > row.alerts_cleared


def test_bots_do_not_break_what_the_buffer_by_risk_promises(lived: Mapping[str, Rivalry]) -> None:
    assert lived["naive"].oversold + lived["naive"].refused > 0
    assert (lived["risk"].oversold, lived["risk"].refused) == (0, 0)
    assert lived["risk"].idle_code_days < lived["fixed"].idle_code_days


def test_the_same_seed_tells_the_same_hours(lived: Mapping[str, Rivalry]) -> None:
    assert contested(naive(), DAMPED, [1], HOURS, CONTESTED) == lived["naive"]


def test_the_report_is_json_and_a_table(lived: Mapping[str, Rivalry]) -> None:
    rows = list(lived.values())
    told = json.loads(json.dumps(rivalry_report(rows)))
    assert [row["damped"] for row in told] == [True, True, True, False]
    assert rivalry_table(rows).row_count == 4


def test_channels_give_as_many_free_changes_as_their_protocols_do() -> None:
    def spent(channel: int, changes: int) -> int | None:
        made = [ChangeMade(BEGINNING + timedelta(minutes=n), 100, 99) for n in range(changes)]
        return budget_of(ChannelId(channel), made, BEGINNING + timedelta(minutes=changes)).free_left

    assert [spent(1, changes) for changes in (0, 4, 10, 12)] == [10, 6, 0, 0]
    assert spent(2, 50) is None
    assert [spent(3, changes) for changes in (0, 2, 3)] == [3, 1, 0]


def test_the_alarm_judges_by_the_rules_that_everybody_has() -> None:
    alarm = Alarm.of(make_day(1, HOURS))
    names = {rule.name for rule in alarm.rules}
    assert names >= {"sold-out", "stock-low", "cover-low", "oversold", "reservations-refused", "publish-slow"}
