"""Requests that wait together: how large groups become, and how many are under way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import asyncpg
import pytest

from core.db.groups import LARGEST_GROUP, GroupWriter


class Database:
    """Keeps each group until it is let go; notes how large they were and how many were under way at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.most_at_once = 0
        self._under_way = 0
        self._gates: list[asyncio.Event] = []

    async def write(self, numbers: Sequence[int]) -> list[int | Exception]:
        """Doubles each number, once `answer` was called for its group."""
        self.sizes.append(len(numbers))
        self._under_way += 1
        self.most_at_once = max(self.most_at_once, self._under_way)
        gate = asyncio.Event()
        self._gates.append(gate)
        await gate.wait()
        self._under_way -= 1
        if -1 in numbers:
            raise asyncpg.CheckViolationError("refused")
        return [2 * number for number in numbers]

    async def answer(self) -> None:
        """Let the group go that waits longest, and everybody do what they do next."""
        await asyncio.sleep(0)
        if self._gates:
            self._gates.pop(0).set()
        for _ in range(4):
            await asyncio.sleep(0)


async def served(database: Database, asked: Sequence[asyncio.Task[int]]) -> list[int | BaseException]:
    """Every answer, however many groups it takes."""
    while not all(task.done() for task in asked):
        await database.answer()
    return await asyncio.gather(*asked, return_exceptions=True)


def submitted(writer: GroupWriter[int, int], count: int) -> list[asyncio.Task[int]]:
    """So many requests, all waiting at once."""
    return [asyncio.create_task(writer.submit(number)) for number in range(count)]


async def test_a_lone_request_goes_at_once_and_those_behind_it_go_together() -> None:
    database = Database()
    writer: GroupWriter[int, int] = GroupWriter(database.write)
    first = submitted(writer, 1)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = submitted(writer, 60)
    assert await served(database, [*first, *rest]) == [0, *(2 * number for number in range(60))]
    assert database.sizes == [1, 60]
    assert database.most_at_once == 1


async def test_where_a_second_step_follows_half_of_a_short_queue_is_left() -> None:
    database = Database()
    writer: GroupWriter[int, int] = GroupWriter(database.write, leaves_half=True)
    await served(database, submitted(writer, 80))
    assert database.sizes == [40, 32, 8]
    assert database.most_at_once == 1


@pytest.mark.parametrize("leaves_half", [False, True])
async def test_when_many_wait_two_groups_are_under_way_and_never_more(leaves_half: bool) -> None:
    database = Database()
    writer: GroupWriter[int, int] = GroupWriter(database.write, leaves_half=leaves_half)
    asked = submitted(writer, 3 * LARGEST_GROUP)
    assert await served(database, asked) == [2 * number for number in range(len(asked))]
    assert database.sizes == [LARGEST_GROUP] * 3
    assert database.most_at_once == 2


async def test_with_few_left_the_second_writer_rests() -> None:
    database = Database()
    writer: GroupWriter[int, int] = GroupWriter(database.write)
    many = submitted(writer, 2 * LARGEST_GROUP)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    late = submitted(writer, 50)
    await served(database, [*many, *late])
    assert database.sizes == [LARGEST_GROUP, LARGEST_GROUP, 50]
    again = submitted(writer, 10)
    await served(database, again)
    assert database.sizes[3:] == [10]


async def test_a_bad_request_fails_alone_in_either_of_two_groups() -> None:
    database = Database()
    writer: GroupWriter[int, int] = GroupWriter(database.write, largest=4)
    numbers = [-1 if number in (1, 6) else number for number in range(120)]
    asked = [asyncio.create_task(writer.submit(number)) for number in numbers]
    answers = await served(database, asked)
    assert [answer for answer, number in zip(answers, numbers, strict=True) if number != -1] == [
        2 * number for number in numbers if number != -1
    ]
    refused = [answer for answer, number in zip(answers, numbers, strict=True) if number == -1]
    assert all(isinstance(answer, asyncpg.CheckViolationError) for answer in refused)
