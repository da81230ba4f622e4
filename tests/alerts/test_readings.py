"""Proves that what alerts measure is what is there: every metric, well and ill."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from core.alerts.readings.looking import View
from core.alerts.readings.taking import INTERVAL_SECONDS, take_readings
from core.alerts.rules import Fact, Measure, Metric, Reading
from core.codes.allocator import Allocator
from core.db.leases import note_health
from core.db.pool import Pool
from core.types import OrderState
from tests.factories import NOW, Shop, add_channel, add_codes, add_shop, request


@pytest.fixture
def allocator(pool: Pool) -> Allocator:
    return Allocator(pool, lambda: NOW)


async def taken(pool: Pool, measure: Measure, now: datetime = NOW, *driven: str) -> dict[str, Reading]:
    """The readings by the names of their subjects."""
    async with pool.acquire() as conn:
        readings = await take_readings(conn, measure, View(now, driven))
    assert len({reading.subject for reading in readings}) == len(readings)
    return {reading.subject.name: reading for reading in readings}


async def ref_of(pool: Pool, shop: Shop) -> str:
    return str(await pool.fetchval("SELECT sku_ref FROM sku WHERE sku_id = $1", shop.sku_id))


async def only(
    pool: Pool, measure: Measure, now: datetime = NOW, *driven: str
) -> tuple[float, dict[str, Fact]]:
    (reading,) = (await taken(pool, measure, now, *driven)).values()
    return reading.value, dict(reading.facts)


@pytest.mark.parametrize("metric", Metric)
async def test_every_metric_can_be_measured_in_an_empty_house(pool: Pool, metric: Metric) -> None:
    readings = await taken(pool, Measure(metric))
    assert [reading.value for reading in readings.values()] in ([], [0.0])


@pytest.mark.parametrize("metric", Metric)
async def test_every_metric_is_well_where_nothing_is_ill(pool: Pool, metric: Metric) -> None:
    shop = await add_shop(pool, codes=5)
    for reading in (await taken(pool, Measure(metric), NOW, shop.channel)).values():
        assert reading.value == (5 if metric is Metric.STOCK else 0)


async def test_stock_is_what_can_be_sold_of_what_is_listed(pool: Pool) -> None:
    shop = await add_shop(pool, codes=5)
    await add_codes(pool, shop.sku_id, 3, expires_at=NOW - timedelta(days=1))
    await pool.execute("UPDATE sku SET tags = '{steam,eu}' WHERE sku_id = $1", shop.sku_id)
    unlisted = await add_shop(pool, codes=7)
    await pool.execute("UPDATE listing SET enabled = false WHERE listing_id = $1", unlisted.listing_id)
    readings = await taken(pool, Measure(Metric.STOCK))
    reading = readings[await ref_of(pool, shop)]
    assert len(readings) == 1
    assert reading.value == 5
    assert (reading.channels, reading.tags) == (frozenset({shop.channel}), frozenset({"steam", "eu"}))


async def set_history(pool: Pool, shop: Shop, per_day: float, usual: int, days: int = 20) -> None:
    """A SKU that has sold steadily and had so many codes on each day."""
    await pool.execute(
        "INSERT INTO sale_hour (sku_id, channel_id, hour, units, lines, refused_units)"
        " SELECT $1, $2, hour, $3, $3, 0 FROM generate_series($4::timestamptz - $5 * interval '1 day',"
        " $4::timestamptz - interval '1 hour', interval '1 hour') hour",
        shop.sku_id,
        shop.channel_id,
        round(per_day / 24),
        NOW,
        float(days),
    )
    await pool.execute(
        "INSERT INTO selling (sku_id, channel_id, quick_units, slow_units, slow_lines, counted_at,"
        " first_sold_at, last_sold_at)"
        " VALUES ($1, $2, $3, $3, $3, $4, $4::timestamptz - $5 * interval '1 day', $4)",
        shop.sku_id,
        shop.channel_id,
        per_day * days,
        NOW,
        float(days),
    )
    await pool.execute(
        "INSERT INTO stock_day (sku_id, day, samples, units_sum, lowest, highest)"
        " SELECT $1, day::date, 24, 24 * $2::bigint, $2, $2 FROM generate_series("
        "$3::timestamptz - $4 * interval '1 day', $3::timestamptz, interval '1 day') day",
        shop.sku_id,
        usual,
        NOW,
        float(days),
    )


async def test_stock_is_compared_with_its_usual_level_and_its_speed(pool: Pool) -> None:
    shop, new = await add_shop(pool, codes=6), await add_shop(pool, codes=6)
    await set_history(pool, shop, per_day=24, usual=80)
    ref = await ref_of(pool, shop)
    percent = await taken(pool, Measure(Metric.STOCK_PERCENT))
    assert percent[ref].value == pytest.approx(7.5)
    assert percent[ref].facts["usual"] == 80
    cover = await taken(pool, Measure(Metric.COVER_DAYS, lead_time_days=2, cover_days=10))
    per_day = cover[ref].facts["per_day"]
    assert isinstance(per_day, float)
    assert cover[ref].value == pytest.approx(6 / per_day, rel=0.05)
    assert cover[ref].facts["restock"] == pytest.approx(10 * per_day, rel=0.05)
    # Of what was never watched nothing is said.
    assert await ref_of(pool, new) not in percent | cover


async def test_codes_that_end_soon_are_counted_listed_or_not(pool: Pool) -> None:
    shop = await add_shop(pool)
    for days, codes in ((-1, 2), (5, 3), (13, 4), (20, 8)):
        await add_codes(pool, shop.sku_id, codes, expires_at=NOW + timedelta(days=days))
    await pool.execute("UPDATE listing SET enabled = false")
    value, facts = await only(pool, Measure(Metric.EXPIRING, within_days=14))
    assert value == 7
    assert facts["first_at"] == "2026-11-26T12:00+00:00"


async def test_orders_without_codes_are_oversells_and_those_left_lying_are_stuck(
    pool: Pool, allocator: Allocator
) -> None:
    shop = await add_shop(pool, codes=2)
    await allocator.reserve(request(shop, order_ref="served"))
    await allocator.reserve(request(shop, quantity=5, order_ref="short"))
    await allocator.reserve(request(shop, order_ref="held", state=OrderState.HELD))
    later = NOW + timedelta(hours=2)
    value, facts = await only(pool, Measure(Metric.OVERSELL), later)
    assert (value, facts["first_ref"]) == (1, "short")
    assert await only(pool, Measure(Metric.ORDERS_STUCK), NOW) == (
        0,
        {"first_ref": None, "after_minutes": 30},
    )
    value, facts = await only(pool, Measure(Metric.ORDERS_STUCK), later)
    assert value == 2
    value, facts = await only(pool, Measure(Metric.ORDERS_HELD, after=timedelta(hours=1)), later)
    assert (value, facts["first_ref"], facts["after_minutes"]) == (1, "held", 60)


async def test_refused_reservations_are_counted_in_their_window(pool: Pool, allocator: Allocator) -> None:
    shop = await add_shop(pool, codes=1)
    for _ in range(3):
        await allocator.reserve(request(shop, state=OrderState.RESERVED, short_state=OrderState.REFUSED))
    value, facts = await only(pool, Measure(Metric.RESERVATIONS_REFUSED), NOW + timedelta(minutes=1))
    assert (value, facts["asked"], facts["window_minutes"]) == (2, 3, 60)
    assert (await only(pool, Measure(Metric.RESERVATIONS_REFUSED), NOW + timedelta(hours=2)))[0] == 0


async def test_deliveries_that_failed_are_a_share_of_those_that_were_tried(
    pool: Pool, allocator: Allocator
) -> None:
    shop = await add_shop(pool, codes=10)
    for number in range(8):
        taken_order = await allocator.reserve(request(shop))
        moves = [("accepted", "delivering"), ("delivering", "unsure" if number < 2 else "delivered")]
        for move_no, (before, after) in enumerate(moves, 1):
            await pool.execute(
                "INSERT INTO order_move VALUES ($1, $2, $3, $4, $5, 'test')",
                taken_order.order_id,
                move_no,
                before,
                after,
                NOW,
            )
    value, facts = await only(pool, Measure(Metric.DELIVERY_FAILURE_PERCENT), NOW)
    assert (value, facts["failures"], facts["attempts"]) == (25.0, 2, 8)
    assert (await only(pool, Measure(Metric.DELIVERY_FAILURE_PERCENT, at_least=9), NOW))[0] == 0


async def test_what_channels_asked_and_did_not_get_is_a_share_too(pool: Pool) -> None:
    shop = await add_shop(pool)
    for number in range(10):
        await pool.execute(
            "INSERT INTO guard_outcome VALUES ($1, $2, $3, $4, $5, $6)",
            shop.channel_id,
            "provide" if number < 8 else "reserve",
            f"order {number}",
            shop.listing_id,
            number > 1,
            NOW,
        )
    value, facts = await only(pool, Measure(Metric.PROVIDE_FAILURE_PERCENT), NOW + timedelta(minutes=1))
    assert (value, facts["failures"], facts["attempts"]) == (25.0, 2, 8)


async def test_a_guard_that_closed_offers_tells_why(pool: Pool) -> None:
    shop = await add_shop(pool)
    await pool.execute(
        "INSERT INTO guard_trip (channel_id, line, why, closed_at) VALUES ($1, 'provide', 'near 0.2', $2)",
        shop.channel_id,
        NOW,
    )
    assert await only(pool, Measure(Metric.GUARD_CLOSED)) == (1, {"why": "near 0.2"})
    await pool.execute("UPDATE guard_trip SET opened_at = $1, opened_by = 'guard'", NOW)
    assert (await only(pool, Measure(Metric.GUARD_CLOSED)))[0] == 0


async def test_drift_that_meant_nothing_is_not_counted(pool: Pool) -> None:
    shop = await add_shop(pool)
    for ref, action, minutes, asks in (
        ("A", "repair", 5, False),
        ("B", "hold", 6, True),
        ("C", "leave", 1, False),
    ):
        await pool.execute(
            "INSERT INTO drift (channel_id, listing_ref, what, kind, action, asks, why, published, observed,"
            " seen_at, last_seen_at) VALUES ($1, $2, 'price', 'edited by hand', $3, $4, '', '', '', $5, $5)",
            shop.channel_id,
            ref,
            action,
            asks,
            NOW - timedelta(minutes=minutes),
        )
    value, facts = await only(pool, Measure(Metric.DRIFT))
    assert (value, facts["asking"], facts["last_ref"]) == (2, 1, "A")
    assert (await only(pool, Measure(Metric.DRIFT, window=timedelta(minutes=5, seconds=30))))[0] == 1


async def test_a_channel_is_down_while_a_side_of_it_fails_or_nobody_drives_it(pool: Pool) -> None:
    name = "eneba"
    channel_id = await add_channel(pool, name)
    measure = Measure(Metric.CHANNEL_DOWN_SECONDS)
    assert (await only(pool, measure, NOW, name))[0] == 0
    for subject, ok, seconds in (("pull", False, 400), ("push", True, 900), ("deliver", False, 100)):
        at = NOW - timedelta(seconds=seconds)
        await note_health(pool, channel_id, subject, ok=ok, detail=f"{subject} is ill", now=at)
    value, facts = await only(pool, measure, NOW, name)
    assert (value, facts["part"], facts["detail"]) == (400, "pull", "pull is ill")
    await pool.execute(
        "INSERT INTO lease VALUES ($1, 'gone', 1, $2)", channel_id, NOW - timedelta(seconds=700)
    )
    value, facts = await only(pool, measure, NOW, name)
    assert (value, facts["undriven"]) == (700, True)
    assert await taken(pool, measure, NOW) == {}, "what is not to be driven is not down"


async def test_a_payout_is_late_from_the_first_sale_it_owes(pool: Pool) -> None:
    channel_id = await add_channel(pool)
    for number, (kind, days) in enumerate((("sale", 60), ("withdrawal", 40), ("sale", 36), ("sale", 2))):
        await pool.execute(
            "INSERT INTO payout_line VALUES ($1, $2, $3, NULL, NULL, $5, 'EUR', $4, $4)",
            channel_id,
            str(number),
            kind,
            NOW - timedelta(days=days),
            -100 if kind == "withdrawal" else 100,
        )
    value, facts = await only(pool, Measure(Metric.PAYOUT_LATE_DAYS))
    assert value == pytest.approx(36)
    assert facts["last_paid_at"] == "2026-10-12T12:00+00:00"


async def test_a_rate_ages_only_where_both_currencies_are_in_use(pool: Pool) -> None:
    await add_channel(pool, currency="EUR")
    await add_channel(pool, currency="USD")
    for base, quote, hours in (("EUR", "USD", 50), ("EUR", "USD", 20), ("EUR", "JPY", 900)):
        await pool.execute(
            "INSERT INTO rate (base, quote, numerator, denominator, source, valid_at, entered_by, entered_at)"
            " VALUES ($1, $2, 11, 10, 'ecb', $3, 'test', now())",
            base,
            quote,
            NOW - timedelta(hours=hours),
        )
    readings = await taken(pool, Measure(Metric.RATE_AGE_SECONDS))
    assert {name: reading.value for name, reading in readings.items()} == {"EUR/USD": 72_000}


async def test_prices_that_wait_are_counted_until_somebody_decides(pool: Pool) -> None:
    shop = await add_shop(pool)
    await pool.execute(
        "INSERT INTO price_hold (listing_id, price_minor, currency, why, asked_at)"
        " VALUES ($1, 100, 'EUR', 'a jump', $2)",
        shop.listing_id,
        NOW,
    )
    assert (await only(pool, Measure(Metric.PRICES_HELD)))[0] == 1
    await pool.execute("UPDATE price_hold SET verdict = 'refused', decided_at = now(), decided_by = 'mei'")
    assert (await only(pool, Measure(Metric.PRICES_HELD)))[0] == 0


async def test_the_publish_lag_is_the_asked_quantile(pool: Pool) -> None:
    channel_id = await add_channel(pool, "eneba")
    assert await taken(pool, Measure(Metric.PUBLISH_LAG_SECONDS)) == {}
    # Nine in ten take a second or so, the tenth a thousand times that.
    await pool.execute(
        "INSERT INTO channel_lag VALUES ($1, '{40,80}', '{0.9,0.1}', $2)",
        channel_id,
        NOW,
    )
    usual = (await only(pool, Measure(Metric.PUBLISH_LAG_SECONDS, quantile=0.9)))[0]
    value, facts = await only(pool, Measure(Metric.PUBLISH_LAG_SECONDS, quantile=0.95))
    assert value == pytest.approx(usual * 2**10)
    assert facts == {"quantile": 0.95, "median_seconds": usual}


async def test_a_journal_that_does_not_sum_up_is_seen(pool: Pool) -> None:
    await pool.execute("ALTER TABLE entry DISABLE TRIGGER entry_balanced")
    account_id: int = await pool.fetchval(
        "INSERT INTO account (party, party_name, purpose, currency)"
        " VALUES ('operator', 'us', 'income', 'EUR') RETURNING account_id"
    )
    await pool.execute(
        "INSERT INTO journal_transaction VALUES (7, 0, 'correction', NULL, NULL, NULL, NULL, $1)", NOW
    )
    await pool.execute("INSERT INTO entry VALUES (7, 1, $1, 5)", account_id)
    assert await only(pool, Measure(Metric.LEDGER_IMBALANCE)) == (1, {"first_id": 7})


def test_only_dear_looks_are_rare() -> None:
    assert set(INTERVAL_SECONDS) < set(Metric)
    assert min(INTERVAL_SECONDS.values()) >= 60
