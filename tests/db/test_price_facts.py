"""What prices depend on is stored once, read for many listings at once, and decided on by people by name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

import asyncpg
import pytest
from msgspec.structs import replace

from core.codes.allocator import Allocator
from core.db.pool import Pool
from core.errors import InvalidInput, StaleVersion, UnknownListing
from core.money.money import Money
from core.money.rates import NewRate, add_rates, newest_entry, read_rates, set_rate
from core.offers.price.facts import Budget, ChangeMade, ListingFacts, ListingQuestion, WindowSpan
from core.offers.pricing.changes import (
    QuotedPrice,
    ToldPrice,
    due_quotes,
    keep_fee_quotes,
    note_free_changes,
    note_price_changes,
)
from core.offers.pricing.holds import (
    AskedPrice,
    NewException,
    ask_for_prices,
    decide_hold,
    revoke_exception,
    sign_exception,
)
from core.offers.pricing.sightings import Look, SeenOffer, due_looks, keep_looks, prune_sightings
from core.offers.pricing.stored_facts import ChangeTerms, ToldQuota, budget, read_listing_facts
from core.types import ListingId, ListingRef, OfferObserved, OrderState
from core.views import prices
from tests.factories import NOW, Shop, add_shop, request

HOUR = timedelta(hours=1)
FREE = ChangeTerms()
THREE_A_DAY = ChangeTerms(free_per_day=3)


async def facts(pool: Pool, shop: Shop, *spans: WindowSpan, terms: ChangeTerms = FREE) -> ListingFacts:
    async with pool.acquire() as conn:
        found = await read_listing_facts(
            conn, [ListingQuestion(shop.listing_id, spans)], {shop.channel_id: terms}, {}, NOW
        )
    return found[shop.listing_id]


async def tell(pool: Pool, shop: Shop, price_minor: int, hours_ago: float, *, acked: bool = True) -> None:
    """A price is told, and acknowledged at once."""
    at = NOW - hours_ago * HOUR
    async with pool.acquire() as conn, conn.transaction():
        await note_price_changes(conn, [ToldPrice(shop.listing_id, price_minor, price_minor - 10)], at)
        if acked:
            await conn.execute(
                "UPDATE offer SET published_price_minor = $2, published_at = $3 WHERE listing_id = $1",
                shop.listing_id,
                price_minor,
                at + timedelta(seconds=1),
            )


async def test_rates_are_kept_for_ever_and_the_latest_of_a_moment_counts(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        for days, rate in ((2, "1.10"), (1, "1.20")):
            told = NewRate("EUR", "USD", Fraction(rate), NOW - timedelta(days=days))
            assert await add_rates(conn, [told], source="bank", actor="test", now=NOW) == 1
        before = await newest_entry(conn)
        assert await add_rates(conn, [told], source="bank", actor="test", now=NOW) == 0, "known already"
        assert await newest_entry(conn) == before
        now = await read_rates(conn, [("USD", "EUR"), ("USD", "USD")], NOW)
        then = await read_rates(conn, [("EUR", "USD")], NOW - timedelta(days=1, hours=1))
        assert await read_rates(conn, [("EUR", "USD")], NOW - timedelta(days=3)) == {}
    assert (now["USD", "EUR"].numerator, now["USD", "EUR"].denominator) == (5, 6)
    assert Fraction(then["EUR", "USD"].numerator, then["EUR", "USD"].denominator) == Fraction("1.1")
    with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="append-only"):
        await pool.execute("UPDATE rate SET numerator = 1")


async def test_a_rate_of_the_future_is_refused_and_one_by_hand_leaves_an_audit_row(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(InvalidInput, match="still to come"):
            await add_rates(
                conn,
                [NewRate("EUR", "USD", Fraction(1), NOW + HOUR)],
                source="bank",
                actor="test",
                now=NOW,
            )
        told = NewRate("EUR", "CNY", Fraction("7.8"), NOW)
        await set_rate(conn, told, actor="cli:anna", reason="from the bank", now=NOW)
        row = await conn.fetchrow("SELECT actor, action, reason FROM audit ORDER BY at DESC LIMIT 1")
    assert row is not None
    assert tuple(row) == ("cli:anna", "rate.set", "from the bank")


async def test_a_price_told_again_is_one_change_and_a_first_price_is_none(pool: Pool) -> None:
    shop = await add_shop(pool)
    await tell(pool, shop, 2000, 20)
    await tell(pool, shop, 1900, 10, acked=False)
    await tell(pool, shop, 1900, 9)
    await tell(pool, shop, 1900, 8)
    assert [(c.before_minor, c.after_minor) for c in (await facts(pool, shop)).changes] == [(2000, 1900)]


async def test_a_price_that_was_edited_by_hand_and_set_back_is_a_change(pool: Pool) -> None:
    shop = await add_shop(pool)
    await tell(pool, shop, 2000, 20)
    await pool.execute("UPDATE offer SET published_price_minor = 1500")
    await tell(pool, shop, 2000, 3)
    assert [(c.before_minor, c.after_minor) for c in (await facts(pool, shop)).changes] == [(1500, 2000)]


async def test_the_days_free_changes_are_counted_from_what_was_told(pool: Pool) -> None:
    shop = await add_shop(pool)
    for number, hours_ago in enumerate((30, 25, 20, 10)):
        await tell(pool, shop, 2000 + number, hours_ago)
    left = (await facts(pool, shop, terms=THREE_A_DAY)).budget
    assert left == Budget(free_left=1, resets_at=NOW + 4 * HOUR)
    assert (await facts(pool, shop)).budget == Budget(), "where all are free none is counted"


async def test_what_the_channel_says_of_free_changes_counts_more_than_our_own_sum(pool: Pool) -> None:
    shop = await add_shop(pool)
    for number in range(4):
        await tell(pool, shop, 2000 + number, 10 - number)
    seen = OfferObserved(
        ListingRef(shop.listing_ref),
        1,
        Money(2003, "EUR"),
        True,
        free_price_changes=2,
        next_free_change_seconds=3600,
    )
    await note_free_changes(pool, shop.channel_id, [seen], NOW - 7.5 * HOUR)
    assert (await facts(pool, shop, terms=THREE_A_DAY)).budget.free_left == 1, "one of two was used since"
    await note_free_changes(pool, shop.channel_id, [seen], NOW - HOUR / 2)
    assert (await facts(pool, shop, terms=THREE_A_DAY)).budget == Budget(2, NOW + HOUR / 2)


@pytest.mark.parametrize(
    ("left_over", "changes_since", "free_left"), [(5, 0, 5), (5, 2, 3), (1, 4, 0), (0, 0, 0)]
)
def test_changes_since_the_channel_spoke_are_taken_off(
    left_over: int, changes_since: int, free_left: int
) -> None:
    made = [ChangeMade(NOW - timedelta(minutes=n + 1), 100, 101) for n in range(changes_since)]
    told = ToldQuota(left_over, NOW + HOUR, NOW - HOUR)
    fee = Money(5, "EUR")
    assert budget(ChangeTerms(10, fee), told, made, NOW) == Budget(free_left, NOW + HOUR, None, fee)


def offers(*asked: tuple[str, int]) -> Sequence[SeenOffer]:
    return [SeenOffer(seller, Money(price_minor, "EUR"), own=seller == "us") for seller, price_minor in asked]


async def look(pool: Pool, shop: Shop, hours_ago: float, seen: Sequence[SeenOffer] | None) -> list[ListingId]:
    async with pool.acquire() as conn, conn.transaction():
        detail = "" if seen is not None else "not ours"
        return await keep_looks(conn, [Look(shop.listing_id, seen, detail)], NOW - hours_ago * HOUR)


async def test_only_a_look_that_saw_something_else_is_written_and_its_age_is_the_last_looks(
    pool: Pool,
) -> None:
    shop = await add_shop(pool)
    first = offers(("a", 1800), ("us", 1900))
    assert await look(pool, shop, 9, first) == [shop.listing_id]
    assert await look(pool, shop, 6, first) == []
    assert await look(pool, shop, 3, None) == [], "a look that saw nothing leaves what stands"
    seen = (await facts(pool, shop)).sightings
    assert [(s.seller, s.price.amount_minor, s.own, s.seen_at) for s in seen] == [
        ("a", 1800, False, NOW - 6 * HOUR),
        ("us", 1900, True, NOW - 6 * HOUR),
    ]
    assert await look(pool, shop, 2, offers(("a", 1799))) == [shop.listing_id]
    assert [s.price.amount_minor for s in (await facts(pool, shop)).sightings] == [1799]
    await prune_sightings(pool, NOW)
    assert await pool.fetchval("SELECT count(*) FROM sighting") == 1, "the last look stays"
    assert await look(pool, shop, 1, []) == [shop.listing_id]
    assert (await facts(pool, shop)).sightings == ()


async def test_the_listing_not_asked_for_the_longest_is_due_first(pool: Pool) -> None:
    shop, other = await add_shop(pool), await add_shop(pool)
    async with pool.acquire() as conn:
        asked = [shop.listing_id, other.listing_id]
        due = await due_looks(conn, shop.channel_id, asked, NOW - HOUR, 10)
        assert [each.listing_id for each in due] == [shop.listing_id]
        assert await due_looks(conn, shop.channel_id, [], NOW - HOUR, 10) == []
    await look(pool, shop, 0.5, None)
    async with pool.acquire() as conn:
        assert await due_looks(conn, shop.channel_id, asked, NOW - HOUR, 10) == [], "a failed look waits, too"


async def ask(pool: Pool, shop: Shop, *price_minor: int) -> list[int]:
    async with pool.acquire() as conn, conn.transaction():
        asked = [AskedPrice(shop.listing_id, 2000, Money(each, "EUR"), "far") for each in price_minor]
        await ask_for_prices(conn, [shop.listing_id], asked, NOW - HOUR)
        return [hold.hold_id for hold in await prices.holds(conn)]


async def test_the_same_question_is_asked_once_and_another_price_replaces_it(pool: Pool) -> None:
    shop = await add_shop(pool)
    [first] = await ask(pool, shop, 3000)
    assert await ask(pool, shop, 3000) == [first]
    [second] = await ask(pool, shop, 3100)
    async with pool.acquire() as conn, conn.transaction():
        with pytest.raises(StaleVersion, match="another price was worked out"):
            await decide_hold(conn, first, approve=True, actor="anna", reason="fine", now=NOW)
        await decide_hold(conn, second, approve=True, actor="anna", reason="fine", now=NOW)
        with pytest.raises(StaleVersion, match="approved by anna already"):
            await decide_hold(conn, second, approve=False, actor="bert", reason="no", now=NOW)
        with pytest.raises(InvalidInput, match="no price is held under"):
            await decide_hold(conn, 999, approve=True, actor="anna", reason="fine", now=NOW)
    verdict = (await facts(pool, shop)).verdict
    assert verdict is not None
    assert (verdict.price, verdict.approved, verdict.by) == (Money(3100, "EUR"), True, "anna")
    assert await ask(pool, shop) == [], "what is no longer asked is taken back"


async def test_a_decision_has_its_listing_worked_out_again_and_needs_a_reason(pool: Pool) -> None:
    shop = await add_shop(pool)
    [hold] = await ask(pool, shop, 3000)
    await pool.execute("UPDATE offer SET acked_version = dirty_version")
    with pytest.raises(InvalidInput, match="say why"):
        async with pool.acquire() as conn, conn.transaction():
            await decide_hold(conn, hold, approve=False, actor="anna", reason=" ", now=NOW)
    assert await pool.fetchval("SELECT verdict FROM price_hold") is None, "nothing was decided"
    async with pool.acquire() as conn, conn.transaction():
        await decide_hold(conn, hold, approve=False, actor="anna", reason="too dear", now=NOW)
    assert await pool.fetchval("SELECT dirty_version > acked_version FROM offer")


async def test_a_signature_holds_for_its_time_and_until_it_is_revoked(pool: Pool) -> None:
    shop = await add_shop(pool)
    signed = NewException(shop.channel, shop.listing_ref, Money(500, "EUR"), NOW - HOUR, NOW + HOUR)
    async with pool.acquire() as conn, conn.transaction():
        number = await sign_exception(conn, signed, actor="anna", reason="clearance", now=NOW - HOUR)
    [held] = (await facts(pool, shop)).exceptions
    assert (held.least, held.signed_by, held.why, held.holds(NOW)) == (
        Money(500, "EUR"),
        "anna",
        "clearance",
        True,
    )
    async with pool.acquire() as conn, conn.transaction():
        await revoke_exception(conn, number, actor="bert", reason="enough", now=NOW)
        with pytest.raises(StaleVersion, match="not in force"):
            await revoke_exception(conn, number, actor="bert", reason="enough", now=NOW)
    assert (await facts(pool, shop)).exceptions == ()
    actions = await pool.fetch("SELECT action FROM audit ORDER BY at")
    assert [row["action"] for row in actions] == ["price.exception", "price.exception_revoked"]


async def test_a_signature_that_makes_no_sense_is_refused(pool: Pool) -> None:
    shop = await add_shop(pool)
    for listing_ref, least, until, error in (
        ("unknown", Money(500, "EUR"), NOW + HOUR, UnknownListing),
        (shop.listing_ref, Money(500, "USD"), NOW + HOUR, InvalidInput),
        (shop.listing_ref, Money(500, "EUR"), NOW - HOUR, InvalidInput),
    ):
        signed = NewException(shop.channel, listing_ref, least, NOW - 2 * HOUR, until)
        async with pool.acquire() as conn, conn.transaction():
            with pytest.raises(error):
                await sign_exception(conn, signed, actor="anna", reason="clearance", now=NOW)
    with pytest.raises(InvalidInput, match="ends before"):
        NewException(shop.channel, shop.listing_ref, Money(500, "EUR"), NOW, NOW)


async def test_what_a_window_sold_is_counted_while_it_stays_sold(pool: Pool) -> None:
    shop, other = await add_shop(pool, codes=10), await add_shop(pool)
    allocator = Allocator(pool, lambda: NOW)
    refs = ("kept", "reserved", "cancelled", "refunded", "refused", "never written", "being written")
    states = {"reserved": OrderState.RESERVED, "refused": OrderState.RESERVED}
    for ref in refs[:5]:
        state = states.get(ref, OrderState.ACCEPTED)
        asked = request(shop, order_ref=ref, state=state, short_state=OrderState.REFUSED)
        await allocator.reserve(replace(asked, wants_codes=ref != "refused"))
    moves = {"cancelled": ["accepted", "cancelled"], "refunded": ["accepted", "delivered", "refunded"]}
    for ref, path in moves.items():
        for number, (before, after) in enumerate(pairwise(path), 1):
            await pool.execute(
                "INSERT INTO order_move SELECT order_id, $2, $3, $4, $5, 'test' FROM channel_order"
                " WHERE order_ref = $1",
                ref,
                number,
                before,
                after,
                NOW,
            )
    taken = {"never written": NOW - 2 * HOUR}
    for ref in (*refs, "over", "beside"):
        verdict = ref if ref in ("over", "beside") else "sold"
        await pool.execute(
            "INSERT INTO flash_take VALUES ($1, 'night', $2, $3, $4, 1, $5, $6)",
            shop.listing_id,
            NOW,
            shop.channel_id,
            ref,
            verdict,
            taken.get(ref, NOW),
        )
    spans = (WindowSpan("night", NOW), WindowSpan("day", NOW))
    # Kept, reserved, and being written.
    assert (await facts(pool, shop, *spans)).sold_in == {"night": 3, "day": 0}
    assert (await facts(pool, shop, WindowSpan("night", NOW + HOUR))).sold_in == {"night": 0}
    assert (await facts(pool, other, *spans)).sold_in == {"night": 0, "day": 0}


async def test_a_calculators_answers_are_kept_and_asked_for_again_when_old(pool: Pool) -> None:
    shop = await add_shop(pool)
    await tell(pool, shop, 2000, 5)
    async with pool.acquire() as conn:
        [due] = await due_quotes(conn, shop.channel_id, NOW - HOUR, 10)
        assert (due.listing_ref, due.gross_minor) == (shop.listing_ref, 2000)
        assert await due_quotes(conn, shop.channel_id, NOW - HOUR, 10, {shop.listing_id}) == []
    await keep_fee_quotes(pool, [QuotedPrice(shop.listing_id, 2000, 1850)], NOW)
    fee = (await facts(pool, shop)).fee
    assert fee is not None
    assert (fee.gross, fee.net) == (Money(2000, "EUR"), Money(1850, "EUR"))
    async with pool.acquire() as conn:
        assert await due_quotes(conn, shop.channel_id, NOW - HOUR, 10) == []
