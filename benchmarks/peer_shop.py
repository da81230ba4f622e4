"""Sells as shop software does, by an ORM: one process of what benchmarks/peers.py plays and times."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import assert_never
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy.orm import Session

from benchmarks.peer_tables import (
    Account,
    Code,
    Entry,
    Line,
    Listing,
    Mark,
    Move,
    Order,
    Plan,
    Sale,
    Stock,
    Transaction,
    Work,
)

READY = b"ready\n"
# Connections are opened and statements prepared, as psycopg does after five uses, before anything counts.
WARM_SECONDS = 2.0
_HASH = b"x" * 32
# As the other baselines split a sale, in minor units.
_SPLIT = (1750, 250, -250, -88, -1662)


class Pattern(StrEnum):
    """How a code is taken."""

    STOCK_AND_CODE = "stock row and code FOR UPDATE"
    UNLOCKED = "first unsold, no lock"
    LOCKED = "first unsold FOR UPDATE"


class SoldOut(Exception):
    """The peers' own stock is used up: measure a shorter time, or with more codes."""


@dataclass(frozen=True, slots=True)
class Report:
    """What one process did: sales in all, those that ended while it counted, and how long they took."""

    sold: int
    in_time: int
    took_ms: Sequence[float]


@dataclass(frozen=True, slots=True)
class Market:
    """What is on sale, and where the money goes: the ids of five accounts and a plan."""

    listings: Sequence[Listing]
    accounts: Sequence[int]
    plan_id: int


def _sell(engine: sa.Engine, pattern: Pattern, listing: Listing) -> int:
    """Take in one order of one code, in a session of its own as a web request has; its id."""
    now = datetime.now(UTC)
    with Session(engine) as session, session.begin():
        code = _take(session, pattern, listing.sku_id)
        code.sold = True
        line = Line(
            line_no=1,
            lane=0,
            line_ref="1",
            listing_id=listing.listing_id,
            sku_id=listing.sku_id,
            quantity=1,
            unit_price_minor=2000,
            valid_until=now,
        )
        order = Order(
            lane=0,
            channel_id=listing.channel_id,
            order_ref=uuid4().hex,
            first_state="accepted",
            request_hash=_HASH,
            currency="EUR",
            placed_at=now,
            created_at=now,
            lines=[line],
            work=Work(channel_id=listing.channel_id, due_at=now, failures=0),
        )
        session.add(Sale(code=code, order=order))
        session.add(Mark(lane=0, sku_id=listing.sku_id, listing_id=listing.listing_id))
        session.flush()
        return order.order_id


def _deliver(engine: sa.Engine, market: Market, order_id: int) -> None:
    """Say that an order was delivered, and split its money: the second step, as another request."""
    now = datetime.now(UTC)
    with Session(engine) as session, session.begin():
        order = session.get_one(Order, order_id)
        move = Move(
            order_id=order_id,
            move_no=1,
            from_state=order.first_state,
            to_state="delivered",
            moved_at=now,
            actor="bench",
        )
        if order.work is not None:
            session.delete(order.work)
        sale = Transaction(
            transaction_id=order_id,
            lane=order.lane,
            kind="sale",
            order_id=order_id,
            line_no=1,
            plan_id=market.plan_id,
            posted_at=now,
        )
        session.add_all([move, sale])
        session.flush()
        # In one statement: a journal that adds up to nothing is refused after each.
        split = enumerate(zip(market.accounts, _SPLIT, strict=True), start=1)
        entries = [
            {"transaction_id": order_id, "entry_no": number, "account_id": account_id, "amount_minor": minor}
            for number, (account_id, minor) in split
        ]
        session.execute(sa.insert(Entry).values(entries))


def _take(session: Session, pattern: Pattern, sku_id: int) -> Code:
    """A code that is unsold as far as the pattern can tell."""
    unsold = sa.select(Code).where(Code.sku_id == sku_id, sa.not_(Code.sold)).order_by(Code.code_id).limit(1)
    match pattern:
        case Pattern.STOCK_AND_CODE:
            stock = session.scalars(sa.select(Stock).where(Stock.sku_id == sku_id).with_for_update()).one()
            left = stock.quantity - stock.allocated
            code = session.scalars(unsold.with_for_update()).first() if left else None
            stock.allocated += 1
        case Pattern.UNLOCKED:
            code = session.scalars(unsold).first()
        case Pattern.LOCKED:
            code = session.scalars(unsold.with_for_update()).first()
        case _:
            assert_never(pattern)
    if code is None:
        raise SoldOut(f"SKU {sku_id} has no unsold code left: measure a shorter time, or with more codes")
    return code


def _look_around(engine: sa.Engine) -> Market:
    with Session(engine, expire_on_commit=False) as session:
        listings = session.scalars(sa.select(Listing)).all()
        bench = sa.select(Account.account_id).where(Account.party == "bench").order_by(Account.account_id)
        accounts = session.scalars(bench).all()
        plan_id = session.scalars(sa.select(Plan.plan_id)).one()
        session.expunge_all()
    return Market(listings, accounts, plan_id)


def _work(dsn: str, pattern: Pattern, clients: int, seconds: float) -> Report:
    """Make ready, wait for the word, and sell with so many threads at once."""
    url = sa.make_url(dsn).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, pool_size=clients, max_overflow=0)
    market = _look_around(engine)
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    if not sys.stdin.readline():
        raise SystemExit("who asked for sales is gone")
    begin = time.perf_counter() + WARM_SECONDS
    end = begin + seconds

    def buyer(_: int) -> list[tuple[float, float]]:
        """When each sale ended, and how many seconds it took."""
        sales: list[tuple[float, float]] = []
        while (asked := time.perf_counter()) < end:
            _deliver(engine, market, _sell(engine, pattern, random.choice(market.listings)))
            ended = time.perf_counter()
            sales.append((ended, ended - asked))
        return sales

    with ThreadPoolExecutor(clients) as threads:
        sales = [sale for sold in threads.map(buyer, range(clients)) for sale in sold]
    engine.dispose()
    # A sale that was still waiting at the end is too late for the rate, but how long it took is told.
    return Report(
        sold=len(sales),
        in_time=sum(begin <= ended < end for ended, _ in sales),
        took_ms=[round(took * 1000, 2) for ended, took in sales if ended >= begin],
    )


def main() -> None:
    """Run one process of the shop's software; Peers starts it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer_shop", description=__doc__)
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--pattern", required=True, choices=[pattern.name for pattern in Pattern])
    parser.add_argument("--clients", required=True, type=int)
    parser.add_argument("--seconds", required=True, type=float)
    asked = parser.parse_args()
    try:
        report = _work(asked.dsn, Pattern[asked.pattern], asked.clients, asked.seconds)
    except (sa.exc.SQLAlchemyError, SoldOut) as error:
        raise SystemExit(f"{type(error).__name__}: {error}") from None
    print(json.dumps(asdict(report)))


if __name__ == "__main__":
    main()
