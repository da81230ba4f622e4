"""What channels tell and ask: granted, provided, cancelled, refused, doubled, late, and in bad times."""

from __future__ import annotations

import asyncio

import pytest

from core.types import OrderState
from tests.web.bench import Room, until

BIG = "x" * (1 << 20)


async def test_a_reservation_is_granted_once_codes_are_kept(room: Room) -> None:
    answer = await room.tell("answering", "reserve", "o1", count="3")
    assert (answer.status, answer.json()) == (200, {"granted": True})
    assert await room.states() == {"o1": OrderState.RESERVED}
    assert await room.pool.fetchval("SELECT count(*) FROM allocation") == 3
    assert room.woken == [room.services.channels["answering"].terms.channel_id]


async def test_a_doubled_reservation_keeps_no_more_codes(room: Room) -> None:
    answers = await asyncio.gather(*(room.tell("answering", "reserve", "o1", count="3") for _ in range(8)))
    assert [answer.json() for answer in answers] == [{"granted": True}] * 8
    assert await room.pool.fetchval("SELECT count(*) FROM allocation") == 3


async def test_a_reservation_without_stock_is_not_granted(room: Room) -> None:
    answer = await room.tell("answering", "reserve", "o1", count="11")
    assert (answer.status, answer.json()) == (200, {"granted": False})
    assert await room.states() == {"o1": OrderState.REFUSED}


async def test_a_reservation_of_a_listing_that_is_not_ours_is_not_granted(room: Room) -> None:
    answer = await room.tell("answering", "reserve", "o1", listing="nobody's")
    assert answer.json() == {"granted": False}


async def test_the_same_reference_with_other_content_is_not_granted(room: Room) -> None:
    await room.tell("answering", "reserve", "o1", count="1")
    answer = await room.tell("answering", "reserve", "o1", count="2")
    assert (answer.status, answer.json()) == (200, {"granted": False})
    assert await room.pool.fetchval("SELECT count(*) FROM allocation") == 1


async def test_the_same_codes_are_provided_however_often_they_are_asked_for(room: Room) -> None:
    await room.tell("answering", "reserve", "o1", count="2")
    answers = await asyncio.gather(*(room.tell("answering", "provide", "o1") for _ in range(6)))
    assert {answer.status for answer in answers} == {200}
    contents = [answer.json() for answer in answers]
    assert contents == [{"codes": ["CODE-0001", "CODE-0002"]}] * 6
    assert await room.states() == {"o1": OrderState.DELIVERED}
    assert await room.pool.fetchval("SELECT count(*) FROM journal_transaction") == 1


async def test_an_order_nobody_reserved_has_no_codes(room: Room) -> None:
    answer = await room.tell("answering", "provide", "unheard")
    assert (answer.status, answer.json()) == (200, {"codes": None})


async def test_a_cancelled_reservation_gives_its_codes_back(room: Room) -> None:
    await room.tell("answering", "reserve", "o1", count="10")
    answer = await room.tell("answering", "cancel", "o1")
    assert (answer.status, answer.json()) == (200, {"cancelled": True})
    assert (await room.tell("answering", "reserve", "o2", count="10")).json() == {"granted": True}
    assert (await room.tell("answering", "provide", "o1")).json() == {"codes": None}


async def test_a_cancel_after_the_codes_left_reverses_the_money(room: Room) -> None:
    await room.sell("o1")
    await room.tell("answering", "cancel", "o1")
    await room.tell("answering", "cancel", "o1")
    assert await room.states() == {"o1": OrderState.REFUNDED}
    assert await room.pool.fetchval("SELECT sum(amount_minor) FROM entry") == 0
    assert await room.pool.fetchval("SELECT count(*) FROM journal_transaction WHERE kind = 'refund'") == 1


async def test_a_cancel_of_an_unknown_order_is_accepted(room: Room) -> None:
    assert (await room.tell("answering", "cancel", "unheard")).status == 200


async def test_told_orders_are_taken_in_each_once(room: Room) -> None:
    for _ in range(3):
        assert (await room.tell("telling", "orders", "o1,o2")).status == 200
    assert await room.states() == {"o1": OrderState.ACCEPTED, "o2": OrderState.ACCEPTED}


async def test_an_order_told_with_other_content_is_acknowledged_and_changes_nothing(room: Room) -> None:
    await room.tell("telling", "orders", "o1", count="1")
    assert (await room.tell("telling", "orders", "o1", count="4")).status == 200
    assert await room.pool.fetchval("SELECT count(*) FROM allocation") == 1


async def test_news_that_mean_nothing_are_acknowledged(room: Room) -> None:
    assert (await room.tell("telling", "ping")).status == 200


@pytest.mark.parametrize("kind", ["orders", "reserve", "provide", "cancel", "ping"])
async def test_a_forged_callback_does_nothing(room: Room, kind: str) -> None:
    answer = await room.tell("answering", kind, "o1", word="a guess")
    assert (answer.status, answer.body.decode()) == (401, "refused\n")
    assert await room.states() == {}


async def test_a_callback_that_cannot_be_read_is_refused_as_such(room: Room) -> None:
    url = f"{room.url}/callbacks/telling"
    async with room.http.post(url, data=b"\xff{", headers={"X-Word": "the channel's own word"}) as answer:
        assert answer.status == 400


@pytest.mark.parametrize("channel", ["nobody", "silent", "%2e%2e"])
async def test_a_channel_that_takes_no_callbacks_is_not_found(room: Room, channel: str) -> None:
    assert (await room.tell(channel, "ping")).status == 404


async def test_a_callback_that_is_too_large_is_not_read(room: Room) -> None:
    assert (await room.tell("telling", "orders", "o1", padding=BIG)).status == 413


async def test_what_breaks_on_our_side_is_asked_for_again(room: Room) -> None:
    answer = await room.tell("answering", "broken")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


@pytest.mark.parametrize("kind", ["orders", "reserve", "provide", "cancel"])
async def test_with_the_database_away_the_channel_is_to_ask_again(room: Room, kind: str) -> None:
    await room.tell("answering", "reserve", "o1")
    room.pool.terminate()
    answer = await room.tell("answering", kind, "o1" if kind != "reserve" else "o2")
    assert answer.status == 503
    assert answer.body == (b'{"codes": "later"}' if kind == "provide" else b"not done, please ask again\n")


async def test_a_hasty_channel_is_answered_in_time_and_the_work_goes_on(room: Room) -> None:
    async with room.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT lock_lanes($1::smallint[])", [room.sku.lane])
        answer = await room.tell("hasty", "reserve", "o1")
        assert (answer.status, answer.json()) == (200, {"granted": False})
        assert await room.states() == {}

    async def taken_in() -> bool:
        return await room.states() == {"o1": OrderState.RESERVED}

    await until(taken_in)
    assert (await room.tell("hasty", "reserve", "o1")).json() == {"granted": True}


async def test_a_hasty_channel_is_told_later_while_its_codes_are_not_sure(room: Room) -> None:
    await room.tell("hasty", "reserve", "o1")
    async with room.pool.acquire() as conn, conn.transaction():
        await conn.execute("LOCK TABLE order_move")
        answer = await room.tell("hasty", "provide", "o1")
        assert (answer.status, answer.json()) == (503, {"codes": "later"})

    async def provided() -> bool:
        return (await room.tell("hasty", "provide", "o1")).body == b'{"codes": ["CODE-0001"]}'

    await until(provided)
    assert await room.pool.fetchval("SELECT count(*) FROM journal_transaction") == 1


async def test_callbacks_are_counted_by_what_became_of_them(room: Room) -> None:
    await room.sell("o1")
    await room.tell("answering", "cancel", "o1", word="a guess")
    async with room.http.get(f"{room.url}/metrics") as answer:
        text = await answer.text()
    assert 'consignd_callbacks_total{channel="answering",kind="reserve",outcome="granted"} 1.0' in text
    assert 'consignd_callbacks_total{channel="answering",kind="provide",outcome="provided"} 1.0' in text
    assert 'consignd_callbacks_total{channel="answering",kind="unread",outcome="refused"} 1.0' in text
    assert "CODE-" not in text


async def test_health_is_the_process_and_ready_is_the_service(room: Room) -> None:
    room.healthy = False
    async with room.http.get(f"{room.url}/health") as answer:
        assert answer.status == 200
    async with room.http.get(f"{room.url}/ready") as answer:
        assert (answer.status, await answer.json()) == (503, {"ok": False, "parts": {"database": "away"}})
