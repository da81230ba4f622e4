"""Half a day of trade from a seed: the buffer sized by risk holds the chance and leaves less idle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from core.offers.replay.scene import Asked
from core.offers.replay.world import Actor, World
from tests.simulation.day import DayShape, by_risk, fixed, make_day, naive
from tests.simulation.report import report, table
from tests.simulation.side_by_side import Compared, live

# Some ten seconds of reckoning, on a machine that does nothing else.
pytestmark = pytest.mark.timeout(400)

SEED = 1
HALF_A_DAY = DayShape(sales=10_000, bursts=20, seconds=43_200.0)
AN_HOUR = DayShape(skus=40, sales=400, bursts=2, seconds=3600.0)
# The largest fixed buffer that does not hold the chance on this half day, and the smallest that does.
TOO_SMALL, LARGE_ENOUGH = 3, 4


@pytest.fixture(scope="module")
def lived() -> Mapping[str, Compared]:
    """The same half day under each policy."""
    policies = {
        "naive": naive(),
        "too small": fixed(TOO_SMALL),
        "large enough": fixed(LARGE_ENOUGH),
        "risk": by_risk(),
    }
    return {name: live(policy, [SEED], HALF_A_DAY) for name, policy in policies.items()}


def test_mirroring_breaks_the_chance_and_so_do_small_buffers(lived: Mapping[str, Compared]) -> None:
    assert lived["naive"].share > 0.005
    assert not lived["naive"].holds
    assert not lived["too small"].holds
    assert lived["large enough"].holds


def test_the_buffer_sized_by_risk_holds_the_chance_with_95_per_cent_confidence(
    lived: Mapping[str, Compared],
) -> None:
    assert lived["risk"].at_most <= 0.001


def test_it_leaves_less_idle_than_the_smallest_fixed_one_that_holds_the_chance(
    lived: Mapping[str, Compared],
) -> None:
    risk, large = lived["risk"], lived["large enough"]
    assert risk.idle_code_days < large.idle_code_days / 2
    assert risk.unshown_code_days < large.unshown_code_days / 2
    assert risk.sold > large.sold


def test_the_report_says_which_policy_holds_the_chance(lived: Mapping[str, Compared]) -> None:
    figures = json.loads(json.dumps(report(list(lived.values()), [SEED])))
    assert [row["holds"] for row in figures["policies"]] == [False, False, True, True]
    assert (figures["chance"], figures["confidence"]) == (0.001, 0.95)
    assert table(list(lived.values())).row_count == 4


def test_a_seed_makes_one_day_and_another_seed_another() -> None:
    assert make_day(5, AN_HOUR) == make_day(5, AN_HOUR)
    assert make_day(5, AN_HOUR) != make_day(6, AN_HOUR)
    assert live(by_risk(), [5], AN_HOUR) == live(by_risk(), [5], AN_HOUR)


@dataclass(slots=True)
class Repricer:
    """Pays for a change of some price every ten minutes, and nobody minds."""

    changes: int = 0

    def act(self, world: World, at: float) -> float | None:
        self.changes += 1
        return at + 600

    def takes(self, world: World, asked: Asked) -> bool:
        return True

    def counts(self) -> Mapping[str, int]:
        return {"paid price changes": self.changes}


def test_what_others_do_on_the_day_is_reported_beside_it() -> None:
    def cast() -> list[Actor]:
        return [Repricer()]

    row = live(naive(), [5, 6], AN_HOUR, cast)
    assert row.counts == {"paid price changes": 14}
    assert table([row]).columns[-1].header == "paid price changes"
