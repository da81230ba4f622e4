"""Moves settlements: approved by somebody else, paid by an entry, or withdrawn; what is paid stays so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from core.audit import note
from core.db.pool import Connection, Pool
from core.db.queries import load_queries
from core.errors import AnotherNeeded, Conflict, InvalidInput, RateTooOld, SettlementFixed, UnknownSettlement
from core.money.booking import Booker
from core.money.conversion import Conversion
from core.money.exchange import Exchanged
from core.money.exchanging import Exchanges
from core.money.journal.periods import open_date
from core.money.money import Money
from core.money.rates import read_rates
from core.money.settlement.entries import correction_booking, payment_booking, payment_exchange
from core.money.settlement.reading import SettlementView, find_settlement, settlement_detail
from core.money.settlement.terms import Payee, SettlementTerms

_SQL = load_queries("core.money.settlement", "settling.sql")
_LOCK_PAYEE = _SQL["lock_payee"]
_FIND = _SQL["find"]
_ADD_APPROVAL = _SQL["add_approval"]
_SET_STATE = _SQL["set_state"]
_ADD_MOVE = _SQL["add_move"]
_FREE_ENTRIES = _SQL["free_entries"]
_KEEP_PAYMENT_ENTRIES = _SQL["keep_payment_entries"]
_ADD_PAYMENT = _SQL["add_payment"]
_ADD_RESERVE = _SQL["add_reserve"]
_ADD_CORRECTION = _SQL["add_correction"]

# Clocks differ a little.
_AHEAD_AT_MOST = timedelta(minutes=5)


class State(StrEnum):
    """Where a settlement stands."""

    DRAFT = "draft"
    APPROVED = "approved"
    PAID = "paid"
    WITHDRAWN = "withdrawn"


# The schema holds to the same arrows; a test compares them.
MOVES: Mapping[State, frozenset[State]] = {
    State.DRAFT: frozenset({State.APPROVED, State.WITHDRAWN}),
    State.APPROVED: frozenset({State.PAID, State.WITHDRAWN}),
    State.PAID: frozenset(),
    State.WITHDRAWN: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Payment:
    """What somebody paid: when, under which reference, and what left the bank where that is known better."""

    paid_on: datetime
    payment_ref: str
    amount: Money | None = None


class SettlementDesk:
    """What people do with settlements. Every move is written down with who made it."""

    def __init__(self, pool: Pool, terms: SettlementTerms, now: Callable[[], datetime]) -> None:
        self._pool = pool
        self._terms = terms
        self._now = now
        self._booker = Booker(pool)
        self._exchanges = Exchanges(pool)

    async def approve(self, settlement_id: int, *, actor: str, reason: str) -> State:
        """Agree to it; its state then. AnotherNeeded for who drew it up, or has agreed before."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            found = await _lock(conn, settlement_id)
            _refuse_move(found, State.APPROVED)
            given = {each.approver for each in (await settlement_detail(conn, settlement_id)).approvals}
            _refuse_same(found, actor, given)
            await _note(conn, "settlement.approve", settlement_id, reason, actor, now)
            await conn.execute(_ADD_APPROVAL, settlement_id, actor, now, reason.strip())
            if len(given) + 1 < found.approvals_needed:
                return State.DRAFT
            await _move(conn, settlement_id, State.APPROVED, reason, actor, now)
        return State.APPROVED

    async def withdraw(self, settlement_id: int, *, actor: str, reason: str) -> None:
        """Take it back before it is paid: its entries stand open again, for the next one."""
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            found = await _lock(conn, settlement_id)
            _refuse_move(found, State.WITHDRAWN)
            await _note(conn, "settlement.withdraw", settlement_id, reason, actor, now)
            await _move(conn, settlement_id, State.WITHDRAWN, reason, actor, now)
            await conn.execute(_FREE_ENTRIES, settlement_id, timeout=900.0)

    async def pay(self, settlement_id: int, payment: Payment, *, actor: str) -> Money:
        """Write down that it was paid, by entries; what left the bank.

        SettlementFixed unless it is approved, RateTooOld without a rate of the day for another currency,
        Conflict for a day in a closed month.
        """
        now = self._now()
        _refuse_payment(settlement_id, payment, now)
        async with self._pool.acquire() as conn, conn.transaction():
            found = await _lock(conn, settlement_id)
            _refuse_move(found, State.PAID)
            await _refuse_closed(conn, settlement_id, payment.paid_on)
            exchanged = await self._exchange(conn, found, payment)
            left = await self._post(conn, found, payment, exchanged, actor, now)
            why = f"paid {left}, {payment.payment_ref.strip()}"
            await _note(conn, "settlement.pay", settlement_id, why, actor, now)
            await _move(conn, settlement_id, State.PAID, why, actor, now)
            if found.reserve_minor:
                until = payment.paid_on + timedelta(days=found.reserve_days)
                await conn.execute(_ADD_RESERVE, settlement_id, found.reserve_minor, until)
        return left

    async def correct(self, settlement_id: int, owed: Money, *, actor: str, reason: str) -> int:
        """Put a settlement right by an entry that its payee's next one takes; the entry's transaction.

        The settlement stands as it is. Above zero: we owe more.
        """
        now = self._now()
        async with self._pool.acquire() as conn, conn.transaction():
            found = await _lock(conn, settlement_id)
            if owed.amount_minor == 0 or owed.currency != found.currency:
                raise InvalidInput(
                    f"settlement {settlement_id}: {owed} corrects nothing of it; write an amount of"
                    f" {found.currency}"
                )
            booking = correction_booking(Payee(found.party, found.party_name), owed)
            [posted] = await self._booker.post(conn, [booking], now)
            assert posted is not None, "an amount that is not zero is posted"
            await _note(conn, "settlement.correct", settlement_id, reason, actor, now)
            await conn.execute(_ADD_CORRECTION, posted, settlement_id, now, actor, reason.strip())
        return posted

    async def _exchange(self, conn: Connection, found: SettlementView, payment: Payment) -> Exchanged | None:
        """How it is paid in another currency; None where it is not, or where nothing leaves the bank."""
        due = Money(found.due_minor, found.currency)
        if found.paid_in is None or not found.due_minor:
            if payment.amount not in (None, due):
                raise InvalidInput(
                    f"settlement {found.settlement_id}: {due} is due, and not {payment.amount}: pay that, or"
                    " withdraw it and draw up another"
                )
            return None
        if payment.amount is not None and payment.amount.currency != found.paid_in:
            raise InvalidInput(f"settlement {found.settlement_id} is paid in {found.paid_in}: write that")
        settled = await self._rate(conn, found, found.paid_in, payment.paid_on)
        payee = Payee(found.party, found.party_name)
        return payment_exchange(payee, due, payment.amount, settled, _booked(found, found.paid_in))

    async def _rate(self, conn: Connection, found: SettlementView, paid_in: str, at: datetime) -> Conversion:
        pair, terms = (found.currency, paid_in), self._terms.of(Payee(found.party, found.party_name))
        rate = (await read_rates(conn, [pair], at, self._terms.pivot)).get(pair)
        if rate is None or at - rate.at > terms.rate_max_age:
            known = "no rate is known" if rate is None else f"the last rate is of {rate.at:%Y-%m-%d %H:%M}"
            days = terms.rate_max_age / timedelta(days=1)
            how = f"`consignd rates set {found.currency} {paid_in} RATE`"
            raise RateTooOld(
                f"settlement {found.settlement_id} is paid in {paid_in}, and {known} for {found.currency} on "
                f"{at:%Y-%m-%d %H:%M} ({days:g} days old at most): {how}"
            )
        return rate

    async def _post(
        self,
        conn: Connection,
        found: SettlementView,
        payment: Payment,
        exchanged: Exchanged | None,
        actor: str,
        now: datetime,
    ) -> Money:
        """Post it, and keep its entries as those of its payment; what left the bank."""
        payee, settled = Payee(found.party, found.party_name), Money(found.lines_minor, found.currency)
        booking = payment_booking(payee, settled, found.reserve_minor, exchanged=exchanged is not None)
        posted = fx_posted = None
        if booking is not None:
            [posted] = await self._booker.post(conn, [booking], payment.paid_on)
        left = Money(found.due_minor, found.currency)
        if exchanged is not None:
            fx_posted = await self._exchanges.post(conn, exchanged, payment.paid_on)
            left = Money(-exchanged.paid.amount_minor, exchanged.paid.currency)
        ids = [number for number in (posted, fx_posted) if number is not None]
        await conn.execute(_KEEP_PAYMENT_ENTRIES, found.settlement_id, ids)
        await conn.execute(
            _ADD_PAYMENT,
            found.settlement_id,
            payment.paid_on,
            payment.payment_ref.strip(),
            left.amount_minor,
            left.currency,
            0 if exchanged is None else exchanged.gain_minor,
            0 if exchanged is None else exchanged.fee_minor,
            posted,
            fx_posted,
            now,
            actor,
        )
        return left


def _refuse_payment(settlement_id: int, payment: Payment, now: datetime) -> None:
    if not payment.payment_ref.strip():
        raise InvalidInput(
            f"settlement {settlement_id}: write the payment's reference; it stands on the statement"
        )
    if payment.paid_on > now + _AHEAD_AT_MOST:
        raise InvalidInput(f"settlement {settlement_id}: {payment.paid_on:%Y-%m-%d %H:%M} is still to come")


async def _refuse_closed(conn: Connection, settlement_id: int, paid_on: datetime) -> None:
    first = await open_date(conn, paid_on)
    if first > paid_on:
        raise Conflict(
            f"settlement {settlement_id}: the journal is closed until {first:%Y-%m-%d}, so a payment of "
            f"{paid_on:%Y-%m-%d} cannot be posted: date it then or later, or have an admin open the month"
        )


def _refuse_move(found: SettlementView, to: State) -> None:
    if to in MOVES[State(found.state)]:
        return
    number = found.settlement_id
    match State(found.state):
        case State.PAID:
            how = f"what is paid stays; `consignd settlements correct {number}` puts it right in the next one"
        case State.WITHDRAWN:
            how = "its entries are in the next one: look there"
        case State.DRAFT:
            missing = found.approvals_needed - found.approvals
            how = f"{missing} more {'approval is' if missing == 1 else 'approvals are'} needed first"
        case State.APPROVED:
            how = "nobody needs to approve it any more"
    raise SettlementFixed(f"settlement {number} is {found.state} and cannot be {to}: {how}")


def _refuse_same(found: SettlementView, actor: str, given: set[str]) -> None:
    if actor == found.drawn_by:
        raise AnotherNeeded(
            f"settlement {found.settlement_id} was drawn up by {actor}: somebody else has to approve it"
        )
    if actor in given:
        raise AnotherNeeded(
            f"settlement {found.settlement_id} was approved by {actor} before: somebody else has to, too"
        )


def _booked(found: SettlementView, paid_in: str) -> Conversion | None:
    """The rate at which it was valued when it was drawn up."""
    if found.rate_numerator is None or found.rate_denominator is None or found.rate_at is None:
        return None
    source = found.rate_source or ""
    fraction = (found.rate_numerator, found.rate_denominator)
    return Conversion(found.currency, paid_in, *fraction, source, found.rate_at)


async def _lock(conn: Connection, settlement_id: int) -> SettlementView:
    """The settlement, with nobody else at what is its payee's."""
    row = await conn.fetchrow(_FIND, settlement_id)
    if row is None:
        raise UnknownSettlement(
            f"settlement {settlement_id} is not known; `consignd settlements list` lists them"
        )
    await conn.execute(_LOCK_PAYEE, row["party"], row["party_name"])
    return await find_settlement(conn, settlement_id)


async def _move(
    conn: Connection, settlement_id: int, to: State, reason: str, actor: str, now: datetime
) -> None:
    await conn.execute(_SET_STATE, settlement_id, to.value)
    await conn.execute(_ADD_MOVE, settlement_id, to.value, now, actor, reason.strip())


async def _note(
    conn: Connection, action: str, settlement_id: int, reason: str, actor: str, now: datetime
) -> None:
    if not reason.strip():
        raise InvalidInput(f"settlement {settlement_id}: say why; the reason is kept")
    subject = f"settlement {settlement_id}"
    await note(conn, at=now, actor=actor, action=action, subject=subject, reason=reason)
