"""Decides what a route of the API is: declared once, served and described from the same words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter

from core.codes.allocator import Place
from core.errors import InvalidInput
from core.money.money import Money
from core.types import Lane, OrderId, ShelfId
from web.access import Right, Token
from web.api.problems import Problem
from web.services import Services

ModelT = TypeVar("ModelT", bound=BaseModel)
_PLACE_PARTS = 3
_LARGEST_ID = 2**63 - 1


class Shape(BaseModel):
    """What a caller may send; unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a route: who makes it, and what it carries, read by the shapes the route declared."""

    services: Services
    token: Token
    raw: web.Request
    route: Route
    content: bytes

    def body(self, model: type[ModelT]) -> ModelT:
        """The JSON body, in the declared shape."""
        assert self.route.body is model, f"{self.route.path} declares another body"
        return model.model_validate_json(self.content or b"{}")

    def query(self, model: type[ModelT]) -> ModelT:
        """The fields of the query, in the declared shape."""
        assert self.route.query is model, f"{self.route.path} declares another query"
        return model.model_validate({name: self.raw.query[name] for name in self.raw.query})

    def path(self, name: str) -> str:
        """A part of the path."""
        return self.raw.match_info[name]

    def order_id(self) -> OrderId:
        """The path's order id."""
        text = self.path("order_id")
        if not text.isascii() or not text.isdigit() or int(text) > _LARGEST_ID:
            raise Problem(404, "Not known", "order ids are numbers; `GET /api/v1/orders` lists orders")
        return OrderId(int(text))

    def place(self) -> Place:
        """The path's place of a code."""
        return read_place(self.path("place"))


@dataclass(frozen=True, slots=True)
class Download:
    """A file as the answer: what browsers call it, its media type, and its bytes as they come.

    What goes wrong before the first bytes is told as any other error.
    """

    name: str
    media_type: str
    parts: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Route:
    """A route: what it asks of its caller, what it takes, what it answers, and one line on what it does.

    `answer` is any type that pydantic can describe, mostly a read model of core. An upload takes a file in
    multipart form instead of JSON, and reads it by itself.
    """

    method: Literal["GET", "POST", "PUT"]
    path: str
    right: Right
    summary: str
    answer: type[object]
    handler: Callable[[Call], Awaitable[object]]
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    status: int = 200
    upload: bool = False
    # A stream of events answers with a response of its own and not with JSON.
    stream: bool = False
    # The media types in which it may answer, where that is a Download.
    downloads: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The route's name for programs: its method and path in one word."""
        words = [word.strip("{}") for word in self.path.split("/") if word]
        return "_".join([self.method.lower(), *words]).replace("-", "_")

    def render(self, answer: object) -> bytes:
        """The answer as JSON."""
        return _adapter(self).dump_json(self.answer_checked(answer))

    def answer_checked(self, answer: object) -> object:
        """The answer, which is of the declared type or our mistake."""
        assert isinstance(answer, self.answer), f"{self.path} answered a {type(answer).__name__}"
        return answer


@cache
def _adapter(route: Route) -> TypeAdapter[object]:
    """Made once for each route: making one takes longer than most answers."""
    return TypeAdapter(route.answer)


def read_place(text: str) -> Place:
    """A place as people write it, lane.shelf.slot."""
    parts = text.split(".")
    if len(parts) != _PLACE_PARTS or not all(part.isascii() and part.isdigit() for part in parts):
        raise Problem(422, "Not understood", "a code is named lane.shelf.slot, such as 0.12.345")
    lane, shelf_id, slot = map(int, parts)
    if lane > 2**15 - 1 or shelf_id > 2**31 - 1 or slot > _LARGEST_ID:
        raise Problem(422, "Not understood", "a code is named lane.shelf.slot, such as 0.12.345")
    return Place(Lane(lane), ShelfId(shelf_id), slot)


def optional_money(amount: str | None, currency: str | None, fields: str) -> Money | None:
    """An amount that may be left out, but not without its currency."""
    if amount is None and currency is None:
        return None
    if amount is None or currency is None:
        raise InvalidInput(f"an amount and its currency belong together: write {fields}, or neither")
    return Money.parse(amount, currency)
