"""Random histories of wallets and points: never below zero, always what the journal says, whenever swept."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.db.pool import Pool
from core.errors import MoveRefused
from core.wallets.book import LotBook
from core.wallets.programmes import Programme
from core.wallets.wallets import LotId
from tests.wallets.purse import DAY, Purse, open_purse

_NAMES = count(1)
_AMOUNT = st.integers(1, 120)
_LATER = st.none() | st.integers(1, 4)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("credit"), _AMOUNT, _LATER, _LATER),
        st.tuples(st.just("earn"), _AMOUNT, _LATER, st.none()),
        st.tuples(st.just("spend"), _AMOUNT, st.none(), st.none()),
        st.tuples(st.just("redeem"), _AMOUNT, st.none(), st.none()),
        st.tuples(st.just("take back"), _AMOUNT, st.integers(0, 9), st.none()),
        st.tuples(st.just("wait"), st.integers(1, 3), st.none(), st.none()),
    ),
    min_size=4,
    max_size=16,
)
Step = tuple[str, int, int | None, int | None]


class History:
    """One buyer's days. What is refused for want of money is no step; all else must be taken."""

    def __init__(self, purse: Purse, *, swept: bool) -> None:
        self.purse = purse
        self._swept = swept
        self._lots: list[tuple[LotId, bool]] = []

    async def play(self, steps: Sequence[Step]) -> list[str]:
        """Play all steps, then let all time pass; which of them were refused."""
        refused = []
        for number, step in enumerate(steps):
            try:
                await self._take(number, *step)
            except MoveRefused:
                refused.append(f"{number} {step[0]}")
            if self._swept:
                await self._settle()
        self.purse.now += 4 * DAY
        await self._settle()
        return refused

    async def _settle(self) -> None:
        """As the sweep does, of this buyer alone."""
        purse = self.purse
        await purse.do(lambda conn: LotBook(purse.pool).hold(conn, [purse.buyer.buyer_id], purse.now))

    async def _take(self, number: int, kind: str, size: int, first: int | None, second: int | None) -> None:
        purse, name = self.purse, self.purse.buyer.name
        vests = None if first is None else first * DAY
        expires = None if second is None else (second + (first or 0)) * DAY
        match kind:
            case "credit":
                lot_id = await purse.credit(size, ref=f"{name}#{number}", vests=vests, expires=expires)
                self._lots.append((lot_id, False))
            case "earn":
                self._lots.append((await purse.earn(size, ref=f"{name}#{number}", vests=vests), True))
            case "spend":
                await purse.spend(size, f"{name}#{number}")
            case "redeem":
                await purse.redeem(size, f"{name}#{number}")
            case "take back" if self._lots:
                lot_id, points = self._lots[(first or 0) % len(self._lots)]
                await (purse.take_points if points else purse.take_back)(lot_id, size)
            case _:
                purse.now += (size % 3 + 1) * DAY


async def accounts(purse: Purse) -> dict[str, int]:
    """What stands in the journal under the buyer's name."""
    rows = await purse.pool.fetch(
        "SELECT purpose, sum(amount_minor)::bigint AS minor FROM entry JOIN account USING (account_id)"
        " WHERE party = 'buyer' AND party_name = $1 GROUP BY purpose HAVING sum(amount_minor) <> 0",
        purse.buyer.name,
    )
    return {row["purpose"]: row["minor"] for row in rows}


async def new_purse(pool: Pool, currency: str) -> Purse:
    value = {"JPY": Fraction(1, 3), "EUR": Fraction(1, 2), "KWD": Fraction(7, 5)}[currency]
    stars = Programme("stars", currency, Fraction(1), value, expires_after=3 * DAY)
    return await open_purse(pool, f"h-{next(_NAMES)}", {"stars": stars}, currency)


@pytest.mark.parametrize("currency", ["JPY", "EUR", "KWD"])
@given(steps=STEPS)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_history_ends_the_same_however_often_it_was_swept(
    pool: Pool, currency: str, steps: list[Step]
) -> None:
    often = History(await new_purse(pool, currency), swept=True)
    never = History(await new_purse(pool, currency), swept=False)
    assert await often.play(steps) == await never.play(steps)
    assert await often.purse.standing() == await never.purse.standing()
    assert await often.purse.points_left() == await never.purse.points_left()
    found = await accounts(often.purse)
    assert found == await accounts(never.purse)
    # What buyers have is a liability and what they owe is not; neither ever turns into the other.
    assert all((minor > 0) == (purpose == "claim") for purpose, minor in found.items())
    checked = await often.purse.balanced()
    assert checked.ok, checked.detail
