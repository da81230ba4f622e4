"""Leases decide who drives a channel: shared fairly, renewed in time, taken over when they run out."""

from __future__ import annotations

import asyncio

from core.db.leases import Leases
from core.db.pool import Pool
from core.types import ChannelId
from tests.factories import add_channel

_LONG_SECONDS = 60.0


async def some_channels(pool: Pool, count: int) -> list[ChannelId]:
    return [await add_channel(pool) for _ in range(count)]


async def run_out(pool: Pool, holder: str, *, long_ago: bool = False) -> None:
    """The holder was killed, and the time of its leases is over."""
    ago = "1 hour" if long_ago else "1 second"
    await pool.execute(
        "UPDATE lease SET expires_at = now() - $2::text::interval WHERE holder = $1", holder, ago
    )
    await pool.execute("UPDATE daemon SET seen_at = now() - interval '1 day' WHERE name = $1", holder)


async def epochs(pool: Pool) -> list[int]:
    return [int(row["epoch"]) for row in await pool.fetch("SELECT epoch FROM lease ORDER BY channel_id")]


async def test_who_is_alone_takes_everything_and_keeps_it(pool: Pool) -> None:
    channels = await some_channels(pool, 3)
    leases = Leases(pool, "a", _LONG_SECONDS)
    held = await leases.turn(channels, set())
    assert held == set(channels)
    assert await leases.turn(channels, held) == held
    assert await epochs(pool) == [1, 1, 1], "a renewal is no change of hands"


async def test_who_comes_later_gets_a_fair_share_once_it_is_given_up(pool: Pool) -> None:
    channels = await some_channels(pool, 3)
    first, second = Leases(pool, "a", _LONG_SECONDS), Leases(pool, "b", _LONG_SECONDS)
    held = await first.turn(channels, set())
    assert await second.turn(channels, set()) == set(), "what is driven is not taken away"
    kept = await first.turn(channels, held)
    assert len(kept) == 2
    assert await second.turn(channels, set()) == set(), "the first has still to stop driving it"
    await first.give_up(sorted(held - kept))
    assert await second.turn(channels, set()) == held - kept
    assert await first.turn(channels, kept) == kept


async def test_no_channel_is_ever_held_by_two(pool: Pool) -> None:
    channels = await some_channels(pool, 8)
    many = [Leases(pool, f"daemon-{n}", _LONG_SECONDS) for n in range(6)]
    held: list[set[ChannelId]] = [set() for _ in many]
    for _ in range(4):
        held = list(
            await asyncio.gather(
                *(leases.turn(channels, own) for leases, own in zip(many, held, strict=True))
            )
        )
        taken = [channel_id for own in held for channel_id in own]
        assert len(taken) == len(set(taken))


async def test_a_dead_daemons_channels_go_to_the_living(pool: Pool) -> None:
    channels = await some_channels(pool, 3)
    dead, living = Leases(pool, "dead", _LONG_SECONDS), Leases(pool, "living", _LONG_SECONDS)
    await dead.turn(channels, set())
    assert await living.turn(channels, set()) == set()
    await run_out(pool, "dead")
    assert await living.turn(channels, set()) == set(channels)
    assert await epochs(pool) == [2, 2, 2]


async def test_a_lease_that_ran_out_is_not_renewed_even_if_nobody_took_it(pool: Pool) -> None:
    channels = await some_channels(pool, 2)
    leases = Leases(pool, "a", _LONG_SECONDS)
    held = await leases.turn(channels, set())
    await run_out(pool, "a")
    assert await leases.turn(channels, held) == held, "taken anew, and known as that"
    assert await epochs(pool) == [2, 2]


async def test_who_slept_too_long_learns_that_others_drive_now(pool: Pool) -> None:
    channels = await some_channels(pool, 2)
    sleeper, other = Leases(pool, "sleeper", _LONG_SECONDS), Leases(pool, "other", _LONG_SECONDS)
    held = await sleeper.turn(channels, set())
    await run_out(pool, "sleeper")
    assert await other.turn(channels, set()) == held
    assert await sleeper.turn(channels, held) == set()


async def test_a_channel_beyond_the_share_is_taken_when_nobody_else_wants_it(pool: Pool) -> None:
    channels = await some_channels(pool, 2)
    mine, idle = Leases(pool, "mine", _LONG_SECONDS), Leases(pool, "idle", _LONG_SECONDS)
    # The other daemon lives, but none of these channels is configured there.
    await idle.turn([], set())
    held = await mine.turn(channels, set())
    assert len(held) == 1
    gone = Leases(pool, "gone", _LONG_SECONDS)
    await gone.turn(channels, set())
    await run_out(pool, "gone", long_ago=True)
    await gone.resign([])
    assert await mine.turn(channels, held) == set(channels)


async def test_who_resigns_leaves_everything_at_once(pool: Pool) -> None:
    channels = await some_channels(pool, 3)
    leaver, other = Leases(pool, "leaver", _LONG_SECONDS), Leases(pool, "other", _LONG_SECONDS)
    held = await leaver.turn(channels, set())
    await leaver.resign(sorted(held))
    assert await other.turn(channels, set()) == set(channels)


async def test_nobody_gives_up_what_is_anothers(pool: Pool) -> None:
    channels = await some_channels(pool, 1)
    owner, stranger = Leases(pool, "owner", _LONG_SECONDS), Leases(pool, "stranger", _LONG_SECONDS)
    held = await owner.turn(channels, set())
    await stranger.give_up(channels)
    assert await owner.turn(channels, held) == held
    assert await epochs(pool) == [1]
