"""Keeps what people decide about prices: yes or no to a jump, and a signature below the floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from core.audit import note
from core.db.pool import Connection
from core.db.queries import load_queries
from core.errors import InvalidInput, StaleVersion, UnknownListing
from core.money.money import Money
from core.types import ListingId

_SQL = load_queries("core.offers.pricing", "holds.sql")
_SUPERSEDE_HOLDS = _SQL["supersede_holds"]
_ASK_HOLDS = _SQL["ask_holds"]
_LOCK_OFFER_OF_HOLD = _SQL["lock_offer_of_hold"]
_DECIDE_HOLD = _SQL["decide_hold"]
_FIND_HOLD = _SQL["find_hold"]
_DIRTY_LISTING = _SQL["dirty_listing"]
_FIND_LISTING = _SQL["find_listing"]
_SIGN_EXCEPTION = _SQL["sign_exception"]
_REVOKE_EXCEPTION = _SQL["revoke_exception"]

_WRITTEN_BY = {True: "approved", False: "refused"}


@dataclass(frozen=True, slots=True)
class AskedPrice:
    """A price that waits for a person, what is shown now, and why it waits."""

    listing_id: ListingId
    from_minor: int | None
    price: Money
    why: str


@dataclass(frozen=True, slots=True)
class NewException:
    """A person's word that buyers may pay as little as `least` on a listing, for a time."""

    channel: str
    listing_ref: str
    least: Money
    from_at: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.least.amount_minor <= 0:
            raise InvalidInput(f"exception for {self.listing_ref}: {self.least} is not above zero")
        if self.until <= self.from_at:
            raise InvalidInput(f"exception for {self.listing_ref}: it ends before it begins")


async def ask_for_prices(
    conn: Connection, worked_out: Sequence[ListingId], asked: Sequence[AskedPrice], now: datetime
) -> None:
    """Ask people for these prices, in the caller's transaction.

    `worked_out` are all listings whose price was made just now: a question of theirs that is not among
    `asked` any more is taken back. One with another price replaces the one before, so nobody approves a
    price that he did not see.
    """
    ids = [each.listing_id for each in asked]
    prices = [each.price.amount_minor for each in asked]
    await conn.execute(_SUPERSEDE_HOLDS, worked_out, ids, prices, now)
    if asked:
        await conn.execute(
            _ASK_HOLDS,
            ids,
            [each.from_minor for each in asked],
            prices,
            [each.price.currency for each in asked],
            [each.why for each in asked],
            now,
        )


async def decide_hold(
    conn: Connection, hold_id: int, *, approve: bool, actor: str, reason: str, now: datetime
) -> ListingId:
    """Say yes or no to a held price, in the caller's transaction; its listing is worked out again at once."""
    await conn.execute(_LOCK_OFFER_OF_HOLD, hold_id)
    listing_id: int | None = await conn.fetchval(
        _DECIDE_HOLD, hold_id, _WRITTEN_BY[approve], actor, now, reason
    )
    if listing_id is None:
        raise await _why_not(conn, hold_id)
    action = f"price.{_WRITTEN_BY[approve]}"
    await note(conn, at=now, actor=actor, action=action, subject=f"hold {hold_id}", reason=reason)
    await dirty_listings(conn, [ListingId(listing_id)], now)
    return ListingId(listing_id)


async def sign_exception(
    conn: Connection, signed: NewException, *, actor: str, reason: str, now: datetime
) -> int:
    """Sign for a price below the floor, in the caller's transaction; the number to revoke it by."""
    row = await conn.fetchrow(_FIND_LISTING, signed.channel, signed.listing_ref)
    if row is None:
        raise UnknownListing(f"{signed.channel} has no listing {signed.listing_ref}: see `stock listings`")
    if signed.until <= now:
        raise InvalidInput(f"exception for {signed.listing_ref}: it is over already")
    if row["currency"] != signed.least.currency:
        raise InvalidInput(f"exception for {signed.listing_ref}: write the amount in {row['currency']}")
    exception_id: int = await conn.fetchval(
        _SIGN_EXCEPTION,
        row["listing_id"],
        signed.least.amount_minor,
        signed.least.currency,
        signed.from_at,
        signed.until,
        reason.strip(),
        actor,
        now,
    )
    subject = f"{signed.channel} {signed.listing_ref} down to {signed.least} until {signed.until.isoformat()}"
    await note(conn, at=now, actor=actor, action="price.exception", subject=subject, reason=reason)
    await dirty_listings(conn, [ListingId(row["listing_id"])], now)
    return exception_id


async def revoke_exception(
    conn: Connection, exception_id: int, *, actor: str, reason: str, now: datetime
) -> None:
    """Take a signature back, in the caller's transaction; the floor holds again at once."""
    listing_id: int | None = await conn.fetchval(_REVOKE_EXCEPTION, exception_id, now, actor)
    if listing_id is None:
        raise StaleVersion(f"exception {exception_id} is not in force: see `consignd price exceptions`")
    subject = f"exception {exception_id}"
    await note(conn, at=now, actor=actor, action="price.exception_revoked", subject=subject, reason=reason)
    await dirty_listings(conn, [ListingId(listing_id)], now)


async def dirty_listings(conn: Connection, listing_ids: Sequence[ListingId], now: datetime) -> None:
    """Have offers worked out again."""
    await conn.execute(_DIRTY_LISTING, sorted(listing_ids), now)


async def _why_not(conn: Connection, hold_id: int) -> Exception:
    row = await conn.fetchrow(_FIND_HOLD, hold_id)
    if row is None:
        return InvalidInput(f"no price is held under the number {hold_id}: see `consignd price holds`")
    if row["verdict"] == "superseded":
        return StaleVersion(f"hold {hold_id} is over: another price was worked out since; look again")
    return StaleVersion(f"hold {hold_id} was {row['verdict']} by {row['decided_by']} already")
