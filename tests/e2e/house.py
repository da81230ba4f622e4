"""Sets a whole house up for an end-to-end test: sandboxes, settings, codes, the daemon, and the verdict."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from config.settings import Settings
from connectors.sandbox.eneba import EnebaSandbox
from connectors.sandbox.eneba_books import CallbackType
from connectors.sandbox.kinguin import KinguinSandbox
from connectors.sandbox.market import SandboxListing, SandboxMarket, SandboxOrder, SandboxOrderState
from connectors.sandbox.woocommerce import WooCommerceSandbox
from core.offers.outbox import Outbox
from core.offers.terms import ChannelTerms
from core.orders.orders import find_order
from core.types import ListingRef, OrderRef, OrderState
from core.views.invariants import check
from core.views.stock import listings as read_listings
from scheduler.composition import Channels, Core, open_channels, open_core, utc_now
from scheduler.daemon import Daemon
from scheduler.demo.house import link_everything, stock_up, write_settings
from scheduler.demo.markets import DemoSku, channel_name, list_everywhere, listing_ref_of, make_markets
from scheduler.stock_terms import stock_policy
from scheduler.terms import bound_permille
from web.services import ServedChannel

CALM_SECONDS = 60.0
SETTINGS = "consignd.toml"
_LOOK_SECONDS = 0.1
_SYNC_SECONDS = 1.0
_WAITING = (SandboxOrderState.PENDING, SandboxOrderState.PAID)
# The marketplace's word on an order, and what we may have made of it when all is calm.
_AGREEING: Mapping[SandboxOrderState, frozenset[OrderState | None]] = {
    SandboxOrderState.PENDING: frozenset(),
    SandboxOrderState.PAID: frozenset(),
    SandboxOrderState.DELIVERED: frozenset({OrderState.DELIVERED}),
    SandboxOrderState.REFUNDED: frozenset({OrderState.REFUNDED, OrderState.CANCELLED}),
    SandboxOrderState.CANCELLED: frozenset(
        {OrderState.CANCELLED, OrderState.REFUNDED, OrderState.RELEASED, OrderState.REFUSED, None}
    ),
}

Sync = Callable[[], Awaitable[None]]
Adjust = Callable[[ChannelTerms], ChannelTerms]


@dataclass(frozen=True, slots=True)
class Markets:
    """The three sandboxes by their kind."""

    eneba: EnebaSandbox
    kinguin: KinguinSandbox
    woocommerce: WooCommerceSandbox

    @property
    def all(self) -> tuple[SandboxMarket, ...]:
        """All three, in the order of the demo."""
        return self.eneba, self.kinguin, self.woocommerce

    @property
    def by_name(self) -> dict[str, SandboxMarket]:
        """All three by the name of their channel."""
        return {channel_name(market): market for market in self.all}

    def calm_down(self) -> None:
        """No fault from now on."""
        for market in self.all:
            market.faults.off()


@dataclass(frozen=True, slots=True)
class House:
    """A house with its doors open, the daemon at work in this process."""

    settings: Settings
    core: Core
    channels: Channels
    daemon: Daemon
    markets: Markets
    imported: int

    async def sync(self) -> None:
        """Have every channel look at its marketplace now."""
        for name in self.channels.by_name:
            await self.daemon.sync_now(name)


def three_markets(seed: int = 1) -> Markets:
    """The sandboxes of the demo, without faults."""
    eneba, kinguin, woocommerce = make_markets("none", seed)
    assert isinstance(eneba, EnebaSandbox)
    assert isinstance(kinguin, KinguinSandbox)
    assert isinstance(woocommerce, WooCommerceSandbox)
    return Markets(eneba, kinguin, woocommerce)


def some_skus(count: int, codes: int) -> list[DemoSku]:
    """SKUs that differ in nothing but their name."""
    return [DemoSku(f"GAME-EUR-20-{n}", f"Game {n}", "Game", 2000, 1900, codes) for n in range(count)]


def listing_of(market: SandboxMarket, number: int = 0) -> SandboxListing:
    """The listing of a SKU by its number."""
    return market.listings[ListingRef(listing_ref_of(market, number))]


async def buy(market: SandboxMarket, number: int = 0, quantity: int = 1) -> SandboxOrder:
    """A buyer takes so many, and it must go through."""
    order = await market.buy(listing_of(market, number).listing_ref, quantity)
    assert order is not None, f"{market.name} would not sell"
    return order


def patient_for(seconds: float) -> Adjust:
    """Terms by which paid orders and unpaid ones wait only so long for codes and payment."""
    wait = timedelta(seconds=seconds)
    return lambda terms: replace(terms, patience=wait, hold=wait)


@asynccontextmanager
async def open_house(
    dsn: str,
    folder: Path,
    *,
    markets: Markets | None = None,
    skus: int = 1,
    codes: int = 60,
    written: str = "",
    adjust: Adjust = lambda terms: terms,
) -> AsyncIterator[House]:
    """A house whose daemon runs in this process, once every listing is on sale.

    `written` is added to the settings file; `adjust` changes terms that no setting reaches.
    """
    async with AsyncExitStack() as stack:
        own = markets or three_markets()
        for market in own.all:
            await stack.enter_async_context(market)
        settings = write_house_settings(folder, own, {"CONSIGND_DATABASE_URL": dsn}, written)
        demo_skus = some_skus(skus, codes)
        list_everywhere(own.all, demo_skus)
        core = await stack.enter_async_context(open_core(settings, "test"))
        imported = await stock_up(core, demo_skus, folder, seed=1)
        configured = await stack.enter_async_context(open_channels(core))
        channels = _adjusted(core, configured, adjust)
        await link_everything(core, channels, own.all, demo_skus)
        daemon = Daemon(core, channels)
        leave = asyncio.Event()
        task = asyncio.create_task(daemon.run(leave))
        stack.push_async_callback(_stop, task, leave)
        await until(lambda: _all_on_sale(own), "every listing is on sale")
        yield House(settings, core, channels, daemon, own, imported)


def write_house_settings(
    folder: Path, markets: Markets, environ: Mapping[str, str], written: str = ""
) -> Settings:
    """The settings file an operator would have written, with a few tables of the test's own."""
    write_settings(folder, markets.all, "info")
    path = folder / SETTINGS
    # Kinguin's list does not tell what changed: refunds whose webhooks were lost are looked for now and then.
    options = "[channels.kinguin.options]\n"
    text = path.read_text().replace(options, f"{options}refund_sweep_seconds = 1\n")
    path.write_text(text + written)
    return Settings.load(path, environ)


def _adjusted(core: Core, channels: Channels, adjust: Adjust) -> Channels:
    by_name = {
        name: ServedChannel(adjust(channel.terms), channel.connector)
        for name, channel in channels.by_name.items()
    }
    terms = {channel.terms.channel_id: channel.terms for channel in by_name.values()}
    outbox = Outbox(core.pool, terms, stock_policy(core.settings.stock), utc_now)
    return Channels(by_name, outbox, terms)


async def _stop(task: asyncio.Task[None], leave: asyncio.Event) -> None:
    leave.set()
    await task


def _all_on_sale(markets: Markets) -> bool:
    return all(each.on and each.quantity > 0 for market in markets.all for each in market.listings.values())


async def until(
    condition: Callable[[], bool] | Callable[[], Awaitable[bool]], what: str, seconds: float = CALM_SECONDS
) -> None:
    """Wait for something to come true; it is an error if it never does."""
    deadline = time.monotonic() + seconds
    while True:
        answer = condition()
        if (await answer) if isinstance(answer, Awaitable) else answer:
            return
        assert time.monotonic() < deadline, f"never came true: {what}"
        await asyncio.sleep(_LOOK_SECONDS)


# The verdict.


@dataclass(slots=True)
class Verdict:
    """What is not as it should be, for people to read; nothing when all is well."""

    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return "\n".join(self.wrong)


async def come_to_rest(house: House) -> None:
    """The faults end; whatever happened, everything must find its place, and nobody may have been harmed."""
    house.markets.calm_down()
    await wait_until_calm(house.core, house.channels, house.markets, house.sync)
    verdict = await judge(house.core, house.channels, house.markets)
    assert not verdict.wrong, f"\n{verdict}"


async def wait_until_calm(
    core: Core,
    channels: Channels,
    markets: Markets,
    sync: Sync | None = None,
    seconds: float = CALM_SECONDS,
) -> None:
    """Until every order has ended alike on both sides, and every listing really shows what is wanted."""
    deadline = time.monotonic() + seconds
    synced = 0.0
    while under_way := await _under_way(core, channels, markets):
        assert time.monotonic() < deadline, "not calm:\n" + "\n".join(under_way)
        if sync is not None and time.monotonic() - synced > _SYNC_SECONDS:
            synced = time.monotonic()
            await sync()
        await asyncio.sleep(_LOOK_SECONDS)


async def _under_way(core: Core, channels: Channels, markets: Markets) -> list[str]:
    waiting = [
        f"{market.name} {order.order_ref} is {order.state} there"
        for market in markets.all
        for order in market.orders.values()
        if order.state in _WAITING
    ]
    # Offers last, and only when orders have ended: until then one may still give back what offers then show.
    return (
        waiting
        or await _unended(core)
        or await _differing(core, channels, markets)
        or await _apart(core, markets)
    )


async def _unended(core: Core) -> list[str]:
    """Orders that want something done. An unpaid hold ends by itself when its time is over."""
    rows = await core.pool.fetch(
        """
        SELECT channel_order.order_ref, coalesce(last.to_state, channel_order.first_state) AS state,
            open_order.due_at - now() AS due, open_order.failures
        FROM open_order
        JOIN channel_order USING (order_id)
        LEFT JOIN LATERAL (
            SELECT to_state FROM order_move WHERE order_move.order_id = open_order.order_id
            ORDER BY move_no DESC LIMIT 1
        ) last ON true
        WHERE coalesce(last.to_state, channel_order.first_state) <> 'reserved'
            OR open_order.due_at < now() + interval '10 seconds'
        """
    )
    return [f"{row['order_ref']} is {row['state']}, due {row['due']}, {row['failures']} x" for row in rows]


async def _apart(core: Core, markets: Markets) -> list[str]:
    """Listings whose wanted, observed and real values are not all the same."""
    async with core.pool.acquire() as conn:
        listings = await read_listings(conn)
    found = []
    for view in listings:
        real = markets.by_name[view.channel].listings[view.listing_ref]
        shown = real.quantity if real.on else 0
        observed = view.observed.quantity if view.observed.on else 0
        unseen = view.observed.at is None or view.observed.at <= (view.published.at or view.observed.at)
        if not (view.wanted.quantity == observed == shown) or view.dirty or unseen:
            found.append(
                f"{view.channel} {view.listing_ref}: wanted {view.wanted.quantity}, observed {observed}, "
                f"really {shown}{', dirty' if view.dirty else ''}{', not seen since' if unseen else ''}"
                f"{', ' + view.refusal if view.refusal else ''}"
            )
    return found


async def judge(core: Core, channels: Channels, markets: Markets) -> Verdict:
    """Every invariant, strictly; the marketplaces' own tally; and each order on both sides."""
    verdict = Verdict()
    report = await check(
        core.pool,
        bound_permille=bound_permille(core.settings),
        now=utc_now(),
        vault=core.vault,
        strict=True,
    )
    verdict.wrong += [
        f"{invariant.name}: {invariant.violations} violations, {'; '.join(invariant.detail)}"
        for invariant in report.invariants
        if not invariant.ok
    ]
    for name, market in markets.by_name.items():
        duplicates = market.counts().duplicates_received
        if duplicates:
            verdict.wrong.append(f"{name} received {duplicates} duplicates")
    verdict.wrong += _sold_twice(markets)
    verdict.wrong += await _differing(core, channels, markets)
    return verdict


def _sold_twice(markets: Markets) -> list[str]:
    """Codes that more than one order ever received, of whichever marketplace."""
    owners: dict[str, set[str]] = {}
    for name, market in markets.by_name.items():
        for order in market.orders.values():
            for code in {code for arrived in order.received for code in arrived}:
                owners.setdefault(code, set()).add(f"{name} {order.order_ref}")
    return [f"one code reached {', '.join(sorted(to))}" for to in owners.values() if len(to) > 1]


async def _differing(core: Core, channels: Channels, markets: Markets) -> list[str]:
    """Orders that did not end alike on both sides."""
    return [
        f"{name} {order.order_ref}: {wrong}"
        for name, market in markets.by_name.items()
        for order in market.orders.values()
        if (wrong := await _compare(core, channels.by_name[name].terms, market, order))
    ]


async def _compare(core: Core, terms: ChannelTerms, market: SandboxMarket, order: SandboxOrder) -> str | None:
    """How an order differs between the two sides; None when it does not."""
    async with core.pool.acquire() as conn:
        ours = await find_order(conn, terms.channel_id, order.order_ref)
        if ours is None:
            return None if order.state is SandboxOrderState.CANCELLED else f"{order.state}, we never took it"
        opened = (await core.opener.open_orders(conn, [ours.order_id])).get(ours.order_id, [])
    if _never_told(market, order):
        return None
    if ours.state not in _AGREEING[order.state]:
        return f"{order.state} there, {ours.state} here"
    if ours.state in (OrderState.DELIVERED, OrderState.REFUNDED):
        kept = sorted(code.payload.text() for code in opened)
        if order.codes and kept != sorted(order.codes):
            return f"the buyer has {len(order.codes)} codes, we have {len(kept)} others written down"
    return None


def _never_told(market: SandboxMarket, order: SandboxOrder) -> bool:
    """Whether Eneba took an order back and no word of it came or will come: then nobody here can know."""
    if not isinstance(market, EnebaSandbox) or order.state is SandboxOrderState.DELIVERED:
        return False
    if market.callbacks_under_way:
        return False
    return not any(
        result.order_ref == order.order_ref
        and result.failure is None
        and result.type is CallbackType.CANCELLATION
        for result in market.results
    )


async def moves_of(core: Core, terms: ChannelTerms, order_ref: OrderRef) -> list[str]:
    """The states an order went through, the first one included."""
    async with core.pool.acquire() as conn:
        order = await find_order(conn, terms.channel_id, order_ref)
        if order is None:
            return []
        first: str = await conn.fetchval(
            "SELECT first_state FROM channel_order WHERE order_id = $1", order.order_id
        )
        rows = await conn.fetch(
            "SELECT to_state FROM order_move WHERE order_id = $1 ORDER BY move_no", order.order_id
        )
    return [first, *(str(row["to_state"]) for row in rows)]
