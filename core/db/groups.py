"""Moves requests that wait together to the database as one group.

Whatever is queued is taken, at most `largest`, without lingering; while one group is being written the next
one gathers. So a lone request waits for nobody, and under load the cost of a commit is shared.

Our side and the database's take turns with a group, so one group at a time leaves one of two cores idle for
half of the time. While few wait, the first of two steps leaves half of them for its next group: else all
would go through each step together. When many wait, a second group is under way beside the first.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

import asyncpg

from core.errors import Overloaded

RequestT = TypeVar("RequestT")
ResultT = TypeVar("ResultT")

LARGEST_GROUP = 256
MOST_WAITING = 20_000
# A queue is not halved below this: what a statement costs by itself would outweigh the gain.
_SMALLEST_HALF = 32
# From so many waiting on, a second group is worth what its statement costs: a sixth at 512 waiting.
_SECOND_FROM = 100
_AT_ONCE = 2


class GroupWriter(Generic[RequestT, ResultT]):
    """One queue. `write` answers each request with its result or its error; it may be called twice at once.

    When `write` itself raises because of one bad request (an integrity error), the group is written again
    one by one, so that one bad request cannot fail the others.
    """

    def __init__(
        self,
        write: Callable[[Sequence[RequestT]], Awaitable[Sequence[ResultT | Exception]]],
        largest: int = LARGEST_GROUP,
        *,
        leaves_half: bool = False,
    ) -> None:
        self._write = write
        self._largest = largest
        self._leaves_half = leaves_half
        self._waiting: deque[tuple[RequestT, asyncio.Future[ResultT]]] = deque()
        self._drains: set[asyncio.Task[None]] = set()

    async def submit(self, request: RequestT) -> ResultT:
        """Queue a request and wait for its result; a caller that is cancelled does not stop the write."""
        if len(self._waiting) >= MOST_WAITING:
            raise Overloaded(f"{MOST_WAITING} requests are waiting: try again in a moment")
        future: asyncio.Future[ResultT] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        if len(self._drains) < self._worth():
            self._drains.add(asyncio.create_task(self._run()))
        return await future

    def _worth(self) -> int:
        """How many groups should be under way, by how many requests wait."""
        return _AT_ONCE if len(self._waiting) >= _SECOND_FROM else 1

    async def _run(self) -> None:
        try:
            while self._waiting and len(self._drains) <= self._worth():
                await self._serve([self._waiting.popleft() for _ in range(self._next_size())])
        finally:
            drain = asyncio.current_task()
            assert drain is not None, "a drain is a task"
            self._drains.discard(drain)

    def _next_size(self) -> int:
        waiting = len(self._waiting)
        halved = self._leaves_half and waiting < _SECOND_FROM
        return min(waiting, max(waiting // 2, _SMALLEST_HALF) if halved else waiting, self._largest)

    async def _serve(self, group: Sequence[tuple[RequestT, asyncio.Future[ResultT]]]) -> None:
        try:
            results = await self._write([request for request, _ in group])
            assert len(results) == len(group), "a writer answers each request"
        except asyncpg.IntegrityConstraintViolationError as error:
            if len(group) == 1:
                _settle(group[0][1], error)
                return
            for single in group:
                await self._serve([single])
        except Exception as error:
            for _, future in group:
                _settle(future, error)
        except BaseException:
            for _, future in group:
                future.cancel()
            raise
        else:
            for (_, future), result in zip(group, results, strict=True):
                _settle(future, result)


def _settle(future: asyncio.Future[ResultT], result: ResultT | Exception) -> None:
    if future.done():
        return
    if isinstance(result, Exception):
        future.set_exception(result)
    else:
        future.set_result(result)
