"""Finance sees budgets over the API and books what is spent of them; others do not."""

from __future__ import annotations

from core.money.booking import Booker, Booking, BookingKind
from core.money.posting import Posting
from tests.factories import NOW
from tests.web.bench import Room
from web.access import Role


async def set_aside(room: Room, amount_minor: int) -> None:
    """As a sale would."""
    entries = (
        Posting("channel", "answering", "receivable", amount_minor, "EUR"),
        Posting("budget", "traffic", "set_aside", -amount_minor, "EUR"),
    )
    async with room.pool.acquire() as conn, conn.transaction():
        await Booker(room.pool).post(conn, [Booking(BookingKind.CORRECTION, entries)], NOW)


async def test_a_budget_is_spent_off_a_channels_balance_and_given_back(room: Room) -> None:
    await set_aside(room, 300)
    body = {"amount": "2.00", "currency": "EUR", "ref": "inv-1", "reason": "ads", "channel": "answering"}
    told = (await room.call("POST", "/budgets/traffic/spend", Role.FINANCE, body=body)).json()
    assert told["covered"] == {"amount_minor": 200, "currency": "EUR"}
    again = await room.call("POST", "/budgets/traffic/spend", Role.FINANCE, body=body)
    assert (again.status, again.json()) == (200, told)
    other = await room.call("POST", "/budgets/traffic/spend", Role.FINANCE, body=body | {"amount": "1.00"})
    assert other.status == 409
    back = {"amount": "1.00", "currency": "EUR", "ref": "may", "reason": "over"}
    assert (await room.call("POST", "/budgets/traffic/release", Role.FINANCE, body=back)).status == 200
    [budget] = (await room.call("GET", "/budgets", Role.FINANCE)).json()["budgets"]
    assert (budget["spent_minor"], budget["released_minor"], budget["left_minor"]) == (200, 100, 0)
    uses = (await room.call("GET", "/budgets/traffic/uses", Role.FINANCE)).json()["uses"]
    assert [(use["ref"], use["actor"]) for use in uses] == [
        ("may", "finance-person"),
        ("inv-1", "finance-person"),
    ]


async def test_what_nobody_set_aside_is_not_spent(room: Room) -> None:
    body = {"amount": "2.00", "currency": "EUR", "ref": "inv-1", "reason": "ads"}
    refused = await room.call("POST", "/budgets/ads/spend", Role.FINANCE, body=body)
    assert (refused.status, "no sale has set anything aside" in refused.json()["detail"]) == (422, True)
    assert (await room.call("POST", "/budgets/ads/spend", Role.OPERATOR, body=body)).status == 403
