"""Properties of lots: nothing is lost in any pieces, time may be looked at as often as one likes."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import MoveRefused
from core.wallets.lots import MONEY, Lot, LotId, Use, UseKind, due, spend, take_back
from tests.wallets.purse import COST, DAY, SHOP, START

_DAYS = st.integers(1, 9)


@st.composite
def lots(draw: st.DrawFn, lot_id: int = 1) -> Lot:
    """A lot as it was credited: of money, or of points that are worth less, as much, or more."""
    units = draw(st.integers(1, 500))
    points = draw(st.booleans())
    amount_minor = draw(st.integers(0, 900)) if points else units
    vests = draw(st.none() | _DAYS)
    expires = draw(st.none() | st.integers((vests or 0) + 1, 12))
    return Lot(
        lot_id=LotId(lot_id),
        buyer="shop/u-1",
        programme="stars" if points else MONEY,
        currency="EUR",
        units=units,
        amount_minor=amount_minor,
        cost=COST,
        vested=vests is None,
        vests_at=None if vests is None else START + vests * DAY,
        expires_at=None if expires is None else START + expires * DAY,
        units_left=units,
        amount_left_minor=amount_minor,
    )


def played(lot: Lot, uses: list[Use]) -> Lot:
    """The lot after all of that."""
    for use in uses:
        lot = lot.after(use)
    return lot


@given(lots(), st.lists(st.integers(1, 200), max_size=12))
def test_whatever_pieces_leave_a_lot_they_sum_to_it(lot: Lot, pieces: list[int]) -> None:
    lot = played(lot, due(lot, START + 9 * DAY, 0)[:1]) if not lot.vested else lot
    gone_units = gone_minor = 0
    for units in pieces:
        uses = spend([lot], units, SHOP)
        if uses is None:
            assert units > lot.units_left
            continue
        gone_units += sum(use.units for use in uses)
        gone_minor += sum(use.amount_minor for use in uses)
        lot = played(lot, uses)
        assert min(lot.units_left, lot.amount_left_minor) >= 0
        # What is left does not depend on the way there.
        whole = lot.units - lot.units_left
        fresh = Lot(
            lot.lot_id, lot.buyer, lot.programme, lot.currency, lot.units, lot.amount_minor, COST,
            True, None, None, lot.units, lot.amount_minor,
        )  # fmt: skip
        assert fresh.minor_of(whole) == gone_minor
    assert gone_units + lot.units_left == lot.units
    assert gone_minor + lot.amount_left_minor == lot.amount_minor


@given(lots(), st.lists(st.integers(0, 15), max_size=6), st.integers(0, 300))
def test_time_may_be_looked_at_once_or_often(lot: Lot, days: list[int], owed_minor: int) -> None:
    end = START + 15 * DAY
    at_once = due(lot, end, owed_minor)
    often: list[Use] = []
    left, seen = owed_minor, lot
    for moment in [*(START + day * DAY for day in sorted(days)), end]:
        uses = due(seen, moment, left)
        left -= sum(use.amount_minor for use in uses if use.kind is UseKind.SET_OFF)
        often += uses
        seen = played(seen, uses)
    assert often == at_once
    assert due(seen, end, left) == []
    if seen.expires_at is not None:
        assert seen.units_left == 0


@given(lots(), st.integers(0, 500), st.lists(st.integers(1, 300), min_size=1, max_size=6), st.integers(0, 15))
def test_taking_back_moves_each_unit_once_and_never_more_than_there_was(
    lot: Lot, spent: int, pieces: list[int], day: int
) -> None:
    lot = played(lot, due(lot, START + 9 * DAY, 0)[:1]) if not lot.vested else lot
    lot = played(lot, spend([lot], min(spent, lot.units), SHOP) or [])
    lot = played(lot, due(lot, START + day * DAY, 0))
    taken = 0
    for units in pieces:
        most = lot.units - lot.back_units - lot.claimed_units
        if units > most:
            with pytest.raises(MoveRefused, match="can be taken back"):
                take_back(lot, units)
            continue
        uses, told = take_back(lot, units)
        assert [use.to for use in uses] == [COST] * len(uses)
        assert sum(use.units for use in uses) <= units
        assert sum(use.amount_minor for use in uses) == told.left.amount_minor + told.claimed.amount_minor
        lot = played(lot, uses)
        taken += sum(use.amount_minor for use in uses)
        assert lot.claimed_units <= lot.gone_units
        assert lot.claimed_minor <= lot.gone_minor
    assert 0 <= taken <= lot.amount_minor
    if lot.back_units + lot.claimed_units == lot.units:
        assert taken == lot.amount_minor


@given(st.lists(lots(), min_size=1, max_size=5), st.integers(1, 900))
def test_what_expires_soonest_goes_first_and_what_is_pending_stays(found: list[Lot], units: int) -> None:
    numbered = [
        Lot(
            LotId(number), lot.buyer, lot.programme, lot.currency, lot.units, lot.amount_minor, COST,
            lot.vested, lot.vests_at, lot.expires_at, lot.units, lot.amount_minor,
        )
        for number, lot in enumerate(found, 1)
    ]  # fmt: skip
    uses = spend(numbered, units, SHOP)
    usable = [lot for lot in numbered if lot.vested]
    if uses is None:
        assert units > sum(lot.units for lot in usable)
        return
    assert sum(use.units for use in uses) == units
    never = START + timedelta(days=10_000)
    order = [(use.lot.expires_at or never, use.lot.lot_id) for use in uses]
    assert order == sorted(order)
    assert all(use.units == use.lot.units for use in uses[:-1])
    spared = [lot for lot in usable if lot.lot_id not in {use.lot.lot_id for use in uses}]
    assert all((lot.expires_at or never, lot.lot_id) > order[-1] for lot in spared)
