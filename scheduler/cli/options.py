"""Decides how options and arguments that many commands share are written and read."""

from __future__ import annotations

from datetime import datetime

import click

from core.codes.allocator import Place
from core.codes.expiry import FORMS, Ambiguous, parse_expiry
from core.errors import InvalidInput
from core.money.money import Money
from core.types import Lane, ShelfId

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document and nothing else."
)
reason_option = click.option("--reason", required=True, help="Why; it is kept with what is done.")

_PLACE_PARTS = 3


class ListGroup(click.Group):
    """A group whose command `list` may be left out: `orders --json` is `orders list --json`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        first = args[0] if args else ""
        if not first or (first.startswith("-") and first not in ctx.help_option_names):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def read_place(text: str) -> Place:
    """Where a code stands, from lane.shelf.slot."""
    parts = text.split(".")
    if len(parts) != _PLACE_PARTS or not all(part.isascii() and part.isdigit() for part in parts):
        raise click.BadParameter(f"{text!r}: write lane.shelf.slot, as `consignd orders show` prints it")
    lane, shelf_id, slot = map(int, parts)
    if lane >= 1 << 15 or shelf_id >= 1 << 31 or slot >= 1 << 63:
        raise click.BadParameter(f"{text!r}: no code can stand there")
    return Place(Lane(lane), ShelfId(shelf_id), slot)


def read_expiry(text: str) -> datetime:
    """A moment, or the end of a day."""
    try:
        moment = parse_expiry(text)
    except Ambiguous:
        raise click.BadParameter(f"{text!r} is not a date that can be read: write {FORMS}") from None
    if moment is None:
        raise click.BadParameter("codes that never expire need no date: leave it out")
    return moment


def money(text: str | None, currency: str | None, option: str) -> Money | None:
    """An amount given as two options, both or neither."""
    if text is None:
        return None
    if currency is None:
        raise InvalidInput(f"{option} {text}: say in what currency, such as --currency EUR")
    try:
        return Money.parse(text, currency)
    except InvalidInput as error:
        raise InvalidInput(f"{option}: {error}") from None
