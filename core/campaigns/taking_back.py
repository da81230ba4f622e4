"""Takes rewards back when money of their order went back: whatever is owed back and was not taken yet.

An event that comes twice takes nothing the second time: what is owed back follows from what was refunded in
all, and what was taken stands with the grant's parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from core.buyers.buyers import Buyer
from core.campaigns.campaign import Pays, PaysKind
from core.campaigns.facts import refunded_lines
from core.campaigns.history import note_returned, note_turnover_back
from core.campaigns.paying import Paid, Payer, Payment
from core.campaigns.returning import back_of_parts, owed_back
from core.campaigns.standing import day_of
from core.db.pool import Connection, Record
from core.db.queries import load_queries
from core.money.money import share
from core.money.plans.rules import OnRefund
from core.types import BuyerId, OrderId

_SQL = load_queries("core.campaigns", "taking_back.sql")
_GRANTS_OF_ORDER = _SQL["grants_of_order"]
_PARTS_OF_GRANT = _SQL["parts_of_grant"]
_SET_BACK = _SQL["set_back"]
_ADD_BACK = _SQL["add_back"]
_COUNTED_OF_ORDER = _SQL["counted_of_order"]
_SET_COUNTED_BACK = _SQL["set_counted_back"]


async def take_back(
    conn: Connection, payer: Payer, order_id: OrderId, until_written_in: int, now: datetime
) -> int:
    """Bring all grants of an order to where its refunds want them; how many gave something back."""
    refunded = await refunded_lines(conn, order_id, until_written_in)
    if not refunded:
        return 0
    taken: dict[tuple[str, str], int] = {}
    for grant in await conn.fetch(_GRANTS_OF_ORDER, order_id):
        taken[grant["name"], grant["reward"]] = await _of_grant(conn, payer, grant, refunded, now)
    for counted in await conn.fetch(_COUNTED_OF_ORDER, order_id):
        given_back = taken.get((counted["name"], counted["reward"]), 0)
        await _of_counter(conn, order_id, counted, refunded, given_back)
    return sum(amount > 0 for amount in taken.values())


async def _of_grant(
    conn: Connection, payer: Payer, grant: Record, refunded: Mapping[int, int], now: datetime
) -> int:
    """How much of a grant was taken back now, in what it was paid in."""
    rows = await conn.fetch(_PARTS_OF_GRANT, grant["grant_id"])
    amounts = [int(row["amount"]) for row in rows]
    eligible_minor = int(grant["eligible_minor"])
    refunded_minor = _refunded(grant["line_nos"], refunded, eligible_minor)
    owed = owed_back(sum(amounts), OnRefund(grant["on_refund"]), eligible_minor, refunded_minor)
    payment = _payment(grant)
    if payment.pays.kind is PaysKind.COUPON and owed < sum(amounts):
        # A coupon is whole: it goes when nothing of the order is left.
        owed = 0
    reason = f"order {grant['order_id']}: {refunded_minor} of {eligible_minor} minor units were refunded"
    taken = returned_minor = 0
    for row, back in zip(rows, back_of_parts(amounts, owed), strict=True):
        more = back - int(row["back"])
        if more > 0:
            paid = Paid(row["paid_ref"], row["vested_at"])
            returned_minor += await payer.take_back(conn, payment, paid, more, now, reason)
            await conn.execute(_SET_BACK, grant["grant_id"], row["part_no"], back)
            taken += more
    points = taken if payment.pays.kind is PaysKind.POINTS else None
    if returned_minor or points:
        number = int(grant["backs"]) + 1
        await conn.execute(
            _ADD_BACK, grant["grant_id"], number, returned_minor, points, refunded_minor, reason, now
        )
        await note_returned(conn, grant["name"], day_of(grant["delivered_at"]), returned_minor)
    return taken


async def _of_counter(
    conn: Connection, order_id: OrderId, counted: Record, refunded: Mapping[int, int], given_back: int
) -> None:
    eligible_minor = int(counted["eligible_minor"])
    refunded_minor = _refunded(counted["line_nos"], refunded, eligible_minor)
    if not eligible_minor:
        return
    weights = [refunded_minor, eligible_minor - refunded_minor]
    back_minor = share(int(counted["turnover_minor"]), weights)[0]
    more_minor = back_minor - int(counted["back_minor"])
    if more_minor or given_back:
        key = (counted["name"], counted["reward"])
        about = (*key, counted["beneficiary"], counted["period_start"])
        await note_turnover_back(conn, *about, taken=given_back, turnover_minor=more_minor)
        await conn.execute(_SET_COUNTED_BACK, order_id, *key, back_minor)


def _refunded(line_nos: Sequence[int], refunded: Mapping[int, int], eligible_minor: int) -> int:
    return min(eligible_minor, sum(refunded.get(line_no, 0) for line_no in line_nos))


def _payment(grant: Record) -> Payment:
    return Payment(
        campaign=grant["name"],
        pays=Pays.parse(grant["pays"]),
        buyer=Buyer(BuyerId(grant["buyer_id"]), grant["buyer"]),
        beneficiary=grant["beneficiary"],
        currency=grant["currency"],
        source=f"{grant['name']}/{grant['order_id']}/{grant['reward']}",
        expires_days=None,
    )
