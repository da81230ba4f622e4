"""Decides which pages and actions the console has, where each stands, and whom it lets in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from web.access import Right
from web.api.route import Download
from web.console import actions, alert_actions, alert_pages, pages
from web.console.buyers import coupons, groups, people
from web.console.forms import Form
from web.console.money import books, campaigns, discrepancies, settlements, statements
from web.console.offers import price_actions, prices, standing, standing_actions, stock
from web.console.visit import Shown, Visit

ShowPage = Callable[[Visit], Awaitable[Shown | Download]]
Act = Callable[[Visit, Form], Awaitable[Shown]]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: where it stands, whom it lets in, and what it shows; or a file."""

    path: str
    right: Right
    show: ShowPage


@dataclass(frozen=True, slots=True)
class Action:
    """Something that is done by posting a form; an upload brings a file with it."""

    path: str
    right: Right
    act: Act
    upload: bool = False


PAGES = (
    Page("", Right.READ, pages.overview),
    Page("/stock", Right.READ, stock.matrix),
    Page("/stock/{sku_ref}", Right.READ, stock.sku),
    Page("/prices", Right.READ, prices.prices),
    Page("/prices/{listing_id}", Right.READ, prices.ladder),
    Page("/rates", Right.READ, prices.rates),
    Page("/orders", Right.READ, pages.orders),
    Page("/orders/{order_id}", Right.READ, pages.order),
    Page("/codes/{place}", Right.READ, pages.code),
    Page("/buyers", Right.SPEND, people.buyers),
    Page("/buyers/{channel}/{ref}", Right.SPEND, people.buyer),
    Page("/coupons", Right.READ, coupons.coupons),
    Page("/coupons/{coupon_id}", Right.READ, coupons.coupon),
    Page("/groups", Right.READ, groups.group_list),
    Page("/groups/{group_ref}", Right.READ, groups.group),
    Page("/flash", Right.READ, groups.flash_list),
    Page("/flash/{sale}", Right.READ, groups.flash_sale),
    Page("/channels", Right.READ, standing.channel_list),
    Page("/switches", Right.READ, standing.switches),
    Page("/switches/turn", Right.OPERATE, standing.confirm),
    Page("/alerts", Right.READ, alert_pages.inbox),
    Page("/alerts/messages", Right.READ, alert_pages.messages),
    Page("/alerts/{incident_id}", Right.READ, alert_pages.alert),
    Page("/orders/{order_id}/split", Right.MONEY, books.split),
    Page("/money", Right.MONEY, books.money),
    Page("/money/channels", Right.MONEY, books.channels),
    Page("/money/statements", Right.MONEY, statements.statement_list),
    Page("/money/statements/file", Right.MONEY, statements.file),
    Page("/money/statements/{statement_id}", Right.MONEY, statements.statement),
    Page("/money/discrepancies", Right.MONEY, discrepancies.inbox),
    Page("/money/discrepancies/{discrepancy_id}", Right.MONEY, discrepancies.discrepancy),
    Page("/money/settlements", Right.MONEY, settlements.settlement_list),
    Page("/money/settlements/{settlement_id}", Right.MONEY, settlements.settlement),
    Page("/money/settlements/{settlement_id}/statement", Right.MONEY, settlements.statement),
    Page("/money/campaigns", Right.MONEY, campaigns.campaign_list),
    Page("/money/campaigns/{name}", Right.MONEY, campaigns.campaign),
)
ACTIONS = (
    Action("/channels/{name}/pause", Right.OPERATE, actions.pause),
    Action("/channels/{name}/resume", Right.OPERATE, actions.resume),
    Action("/channels/{name}/sync", Right.OPERATE, actions.sync),
    Action("/codes/{place}/reveal", Right.REVEAL, actions.reveal),
    Action("/orders/{order_id}/replace", Right.OPERATE, actions.replace),
    Action("/orders/{order_id}/approve", Right.OPERATE, actions.approve),
    Action("/orders/{order_id}/cancel", Right.OPERATE, actions.cancel),
    Action("/coupons/find", Right.OPERATE, coupons.find),
    Action("/coupons/{coupon_id}/reveal", Right.REVEAL, coupons.reveal),
    Action("/coupons/{coupon_id}/revoke", Right.OPERATE, coupons.revoke),
    Action("/groups/{group_ref}/close", Right.OPERATE, groups.close),
    Action("/refunds/{order_id}/settle", Right.OPERATE, groups.settle),
    Action("/switches/turn", Right.OPERATE, standing_actions.turn),
    Action("/drift/{drift_id}/decide", Right.OPERATE, standing_actions.decide_drift),
    Action("/drift/clear", Right.OPERATE, standing_actions.clear_drift),
    Action("/guard/open", Right.OPERATE, standing_actions.open_guard),
    Action("/prices/holds/{hold_id}/decide", Right.OPERATE, price_actions.decide),
    Action("/prices/{listing_id}/sign", Right.OPERATE, price_actions.sign),
    Action("/prices/exceptions/{exception_id}/revoke", Right.OPERATE, price_actions.revoke),
    Action("/rates", Right.OPERATE, price_actions.tell_rate),
    Action("/alerts/messages/retry", Right.OPERATE, alert_actions.retry),
    Action("/alerts/{incident_id}/acknowledge", Right.OPERATE, alert_actions.acknowledge_one),
    Action("/money/statements/read", Right.MONEY, statements.read_file, upload=True),
    Action("/money/statements/keep", Right.MONEY, statements.keep_file),
    Action("/money/discrepancies/{discrepancy_id}/take", Right.MONEY, discrepancies.take),
    Action("/money/discrepancies/{discrepancy_id}/note", Right.MONEY, discrepancies.note),
    Action("/money/discrepancies/{discrepancy_id}/resolve", Right.MONEY, discrepancies.resolve),
    Action("/money/settlements/draw", Right.MONEY, settlements.draw),
    Action("/money/settlements/{settlement_id}/approve", Right.MONEY, settlements.approve),
    Action("/money/settlements/{settlement_id}/withdraw", Right.MONEY, settlements.withdraw),
    Action("/money/settlements/{settlement_id}/pay", Right.MONEY, settlements.pay),
)
