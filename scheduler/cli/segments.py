"""Shows who belongs to the segments of the settings, and keeps the lists that they may look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import click

from config.settings import Settings
from core.buyers.buyers import named_buyer
from core.buyers.segments import Segment, lists, members, set_listed
from core.errors import InvalidInput, UnreadableFile
from scheduler.buyer_terms import segments_written
from scheduler.cli.options import ListGroup, json_option
from scheduler.cli.output import Cells, print_json, say
from scheduler.cli.session import Session, pass_session
from scheduler.composition import open_core, utc_now

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MOST_NAMES = 100_000


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A buyer who belongs, with what his orders say."""

    buyer: str
    orders: int
    first_at: str
    last_at: str


@click.group("segments", cls=ListGroup, no_args_is_help=False)
def segments() -> None:
    """Segments of buyers, as [segments.NAME] of the settings says; and lists that people keep."""


@segments.command("list")
@json_option
@pass_session
def list_segments(session: Session, as_json: bool) -> None:
    """Show the segments, what each asks, and how many buyers belong to it; then the lists.

    JSON: {"segments": [{"name", "asks": {...}, "buyers"}], "lists": {name: buyers}}.
    """
    settings = session.settings()
    counted, listed = session.drive(_count(settings, segments_written(settings)))
    asks = {
        name: written.model_dump(mode="json", exclude_unset=True)
        for name, written in settings.segments.items()
    }
    if as_json:
        rows = [{"name": name, "asks": asks[name], "buyers": counted[name]} for name in asks]
        print_json({"segments": rows, "lists": listed})
        return
    table = Cells("segment", "buyers", "asks", right=("buyers",))
    for name, written in asks.items():
        table.add(name, counted[name], ", ".join(f"{key} = {value}" for key, value in written.items()))
    table.show()
    for name, buyers in listed.items():
        say(f"list {name}: {buyers} buyers")


@segments.command("count")
@json_option
@pass_session
def count_segments(session: Session, as_json: bool) -> None:
    """Count who belongs to each segment. A person who has several names counts once.

    JSON: {"counts": {name: buyers}}.
    """
    settings = session.settings()
    counted, _ = session.drive(_count(settings, segments_written(settings)))
    if as_json:
        print_json({"counts": {name: counted[name] for name in settings.segments}})
        return
    table = Cells("segment", "buyers", right=("buyers",))
    for name in settings.segments:
        table.add(name, counted[name])
    table.show()


async def _count(settings: Settings, wanted: tuple[Segment, ...]) -> tuple[Counter[str], dict[str, int]]:
    counted: Counter[str] = Counter()
    async with open_core(settings) as core, core.pool.acquire() as conn:
        async for _, _, names in members(conn, wanted, utc_now()):
            counted.update(names)
        return counted, await lists(conn)


@segments.command("show")
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True)
@json_option
@pass_session
def show_segment(session: Session, name: str, limit: int, as_json: bool) -> None:
    """List who belongs to the segment NAME, in the order in which they became known.

    JSON: {"segment", "buyers": [{"buyer", "orders", "first_at", "last_at"}], "more"}.
    """
    settings = session.settings()
    wanted = next((each for each in segments_written(settings) if each.name == name), None)
    if wanted is None:
        others = ", ".join(settings.segments) or "none"
        raise InvalidInput(f"no segment is named {name}: write [segments.{name}], or name one of {others}")
    found = session.drive(_members(settings, wanted, limit + 1))
    shown, more = found[:limit], len(found) > limit
    if as_json:
        print_json({"segment": name, "buyers": shown, "more": more})
        return
    table = Cells("buyer", "orders", "first", "last", right=("orders",))
    for row in shown:
        table.add(row.buyer, row.orders, row.first_at, row.last_at)
    table.show()
    if more:
        say(f"and more: --limit shows more than {limit}")


async def _members(settings: Settings, segment: Segment, limit: int) -> list[MemberRow]:
    found = []
    async with open_core(settings) as core, core.pool.acquire() as conn:
        async for buyer, facts, names in members(conn, [segment], utc_now()):
            if names:
                days = [f"{at:%Y-%m-%d}" if at else "" for at in (facts.first_at, facts.last_at)]
                found.append(MemberRow(buyer.name, facts.orders, *days))
            if len(found) >= limit:
                break
    return found


@segments.command("put")
@click.argument("list_name", metavar="LIST")
@click.argument("buyers", nargs=-1)
@click.option("--file", type=_FILE, help="One buyer a line, or CSV with the buyer first.")
@click.option("--off", is_flag=True, help="Take them off it instead.")
@json_option
@pass_session
def put_on_list(
    session: Session, list_name: str, buyers: tuple[str, ...], file: Path | None, off: bool, as_json: bool
) -> None:
    """Put BUYERS on a list that segments may look at, or take them off it.

    JSON: {"changed", "refused": [{"buyer", "why"}]}.
    """
    names = [*buyers, *(_names_in(file) if file else [])]
    if not names or not list_name.strip():
        raise InvalidInput("name a list, and buyers or a --file of them")
    changed, refused = session.drive(_put(session, list_name, names, listed=not off))
    if as_json:
        print_json({"changed": changed, "refused": [{"buyer": name, "why": why} for name, why in refused]})
        return
    for name, why in refused:
        say(f"{name}: {why}")
    say(f"{changed} {'taken off' if off else 'put on'} {list_name}; {len(refused)} refused")


async def _put(
    session: Session, list_name: str, names: list[str], *, listed: bool
) -> tuple[int, list[tuple[str, str]]]:
    now, refused, ids = utc_now(), [], []
    async with open_core(session.settings()) as core, core.pool.acquire() as conn:
        for name in names:
            try:
                ids.append((await named_buyer(conn, name, now)).buyer_id)
            except InvalidInput as error:
                refused.append((name, str(error)))
        return await set_listed(conn, list_name, ids, now, actor=session.actor, listed=listed), refused


def _names_in(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFile(f"{file.name}: cannot be read as text in UTF-8 ({error})") from None
    if len(lines) > _MOST_NAMES:
        raise UnreadableFile(f"{file.name}: has more than {_MOST_NAMES} lines: cut it into several files")
    names = [line.split(",")[0].strip().strip('"') for line in lines]
    return [name for name in names if name and name != "buyer"]
