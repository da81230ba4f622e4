"""The tables as shop software's ORM sees them: peers' own stock, and the product's for all else of a sale."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """The shop's tables. Its references are told to the ORM only; the database is spared their checks."""


class Listing(Base):
    """What can be bought."""

    __tablename__ = "listing"
    listing_id: Mapped[int] = mapped_column(primary_key=True)
    channel_id: Mapped[int]
    sku_id: Mapped[int]


class Stock(Base):
    """How many there are of a SKU, and how many of them are given away."""

    __tablename__ = "peer_stock"
    sku_id: Mapped[int] = mapped_column(primary_key=True)
    quantity: Mapped[int]
    allocated: Mapped[int]


class Code(Base):
    """One code, and whether it is sold."""

    __tablename__ = "peer_code"
    code_id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    sku_id: Mapped[int]
    sealed: Mapped[bytes]
    sold: Mapped[bool]


class Order(Base):
    """An order, in the product's own table and under the product's own keys."""

    __tablename__ = "channel_order"
    order_id: Mapped[int] = mapped_column(sa.BigInteger, sa.Sequence("peer_order"), primary_key=True)
    lane: Mapped[int] = mapped_column(sa.SmallInteger)
    channel_id: Mapped[int]
    order_ref: Mapped[str]
    first_state: Mapped[str]
    request_hash: Mapped[bytes]
    currency: Mapped[str]
    placed_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    created_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    lines: Mapped[list[Line]] = relationship()
    work: Mapped[Work | None] = relationship()


class Line(Base):
    """A line of an order, in the product's own table."""

    __tablename__ = "order_line"
    order_id: Mapped[int] = mapped_column(sa.ForeignKey(Order.order_id), primary_key=True)
    line_no: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    lane: Mapped[int] = mapped_column(sa.SmallInteger)
    line_ref: Mapped[str]
    listing_id: Mapped[int]
    sku_id: Mapped[int]
    quantity: Mapped[int]
    unit_price_minor: Mapped[int] = mapped_column(sa.BigInteger)
    valid_until: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))


class Work(Base):
    """That an order still wants something done; the row goes when it is delivered."""

    __tablename__ = "open_order"
    order_id: Mapped[int] = mapped_column(sa.ForeignKey(Order.order_id), primary_key=True)
    channel_id: Mapped[int]
    due_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    failures: Mapped[int]


class Mark(Base):
    """That a SKU's offers have to be looked at again, in the product's own table."""

    __tablename__ = "stock_mark"
    lane: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    mark_id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    sku_id: Mapped[int]
    listing_id: Mapped[int]


class Move(Base):
    """A move of an order, in the product's own table."""

    __tablename__ = "order_move"
    order_id: Mapped[int] = mapped_column(sa.ForeignKey(Order.order_id), primary_key=True)
    move_no: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    from_state: Mapped[str]
    to_state: Mapped[str]
    moved_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    actor: Mapped[str]


class Account(Base):
    """Whose money it is; the baselines have made five."""

    __tablename__ = "account"
    account_id: Mapped[int] = mapped_column(primary_key=True)
    party: Mapped[str]


class Plan(Base):
    """How a sale is split; the market has one."""

    __tablename__ = "split_plan"
    plan_id: Mapped[int] = mapped_column(primary_key=True)


class Transaction(Base):
    """What a sale brought, in the product's own journal."""

    __tablename__ = "journal_transaction"
    transaction_id: Mapped[int] = mapped_column(sa.BigInteger, primary_key=True)
    lane: Mapped[int] = mapped_column(sa.SmallInteger)
    kind: Mapped[str]
    order_id: Mapped[int] = mapped_column(sa.BigInteger)
    line_no: Mapped[int] = mapped_column(sa.SmallInteger)
    plan_id: Mapped[int]
    posted_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))


class Entry(Base):
    """What an account got of it."""

    __tablename__ = "entry"
    transaction_id: Mapped[int] = mapped_column(sa.ForeignKey(Transaction.transaction_id), primary_key=True)
    entry_no: Mapped[int] = mapped_column(sa.SmallInteger, primary_key=True)
    account_id: Mapped[int]
    amount_minor: Mapped[int] = mapped_column(sa.BigInteger)


class Sale(Base):
    """Which code an order got: the row that others call an allocation."""

    __tablename__ = "peer_sale"
    sale_id: Mapped[int] = mapped_column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    code_id: Mapped[int] = mapped_column(sa.ForeignKey(Code.code_id))
    order_id: Mapped[int] = mapped_column(sa.ForeignKey(Order.order_id))
    code: Mapped[Code] = relationship()
    order: Mapped[Order] = relationship()
