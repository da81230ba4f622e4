"""Decides which pages and actions the console has, where each stands, and whom it lets in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from web.access import Right
from web.api.route import Download
from web.console import (
    actions,
    alert_actions,
    alert_pages,
    buyer_pages,
    coupon_pages,
    group_pages,
    money_campaigns,
    money_discrepancies,
    money_pages,
    money_settlements,
    money_statement_pages,
    pages,
    price_actions,
    price_pages,
    standing_actions,
    standing_pages,
    stock_pages,
)
from web.console.forms import Form
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
    Page("/stock", Right.READ, stock_pages.matrix),
    Page("/stock/{sku_ref}", Right.READ, stock_pages.sku),
    Page("/prices", Right.READ, price_pages.prices),
    Page("/prices/{listing_id}", Right.READ, price_pages.ladder),
    Page("/rates", Right.READ, price_pages.rates),
    Page("/orders", Right.READ, pages.orders),
    Page("/orders/{order_id}", Right.READ, pages.order),
    Page("/codes/{place}", Right.READ, pages.code),
    Page("/buyers", Right.SPEND, buyer_pages.buyers),
    Page("/buyers/{channel}/{ref}", Right.SPEND, buyer_pages.buyer),
    Page("/coupons", Right.READ, coupon_pages.coupons),
    Page("/coupons/{coupon_id}", Right.READ, coupon_pages.coupon),
    Page("/groups", Right.READ, group_pages.group_list),
    Page("/groups/{group_ref}", Right.READ, group_pages.group),
    Page("/flash", Right.READ, group_pages.flash_list),
    Page("/flash/{sale}", Right.READ, group_pages.flash_sale),
    Page("/channels", Right.READ, standing_pages.channel_list),
    Page("/switches", Right.READ, standing_pages.switches),
    Page("/switches/turn", Right.OPERATE, standing_pages.confirm),
    Page("/alerts", Right.READ, alert_pages.inbox),
    Page("/alerts/messages", Right.READ, alert_pages.messages),
    Page("/alerts/{incident_id}", Right.READ, alert_pages.alert),
    Page("/orders/{order_id}/split", Right.MONEY, money_pages.split),
    Page("/money", Right.MONEY, money_pages.money),
    Page("/money/channels", Right.MONEY, money_pages.channels),
    Page("/money/statements", Right.MONEY, money_statement_pages.statement_list),
    Page("/money/statements/file", Right.MONEY, money_statement_pages.file),
    Page("/money/statements/{statement_id}", Right.MONEY, money_statement_pages.statement),
    Page("/money/discrepancies", Right.MONEY, money_discrepancies.inbox),
    Page("/money/discrepancies/{discrepancy_id}", Right.MONEY, money_discrepancies.discrepancy),
    Page("/money/settlements", Right.MONEY, money_settlements.settlement_list),
    Page("/money/settlements/{settlement_id}", Right.MONEY, money_settlements.settlement),
    Page("/money/settlements/{settlement_id}/statement", Right.MONEY, money_settlements.statement),
    Page("/money/campaigns", Right.MONEY, money_campaigns.campaign_list),
    Page("/money/campaigns/{name}", Right.MONEY, money_campaigns.campaign),
)
ACTIONS = (
    Action("/channels/{name}/pause", Right.OPERATE, actions.pause),
    Action("/channels/{name}/resume", Right.OPERATE, actions.resume),
    Action("/channels/{name}/sync", Right.OPERATE, actions.sync),
    Action("/codes/{place}/reveal", Right.REVEAL, actions.reveal),
    Action("/orders/{order_id}/replace", Right.OPERATE, actions.replace),
    Action("/orders/{order_id}/approve", Right.OPERATE, actions.approve),
    Action("/orders/{order_id}/cancel", Right.OPERATE, actions.cancel),
    Action("/coupons/find", Right.OPERATE, coupon_pages.find),
    Action("/coupons/{coupon_id}/reveal", Right.REVEAL, coupon_pages.reveal),
    Action("/coupons/{coupon_id}/revoke", Right.OPERATE, coupon_pages.revoke),
    Action("/groups/{group_ref}/close", Right.OPERATE, group_pages.close),
    Action("/refunds/{order_id}/settle", Right.OPERATE, group_pages.settle),
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
    Action("/money/statements/read", Right.MONEY, money_statement_pages.read_file, upload=True),
    Action("/money/statements/keep", Right.MONEY, money_statement_pages.keep_file),
    Action("/money/discrepancies/{discrepancy_id}/take", Right.MONEY, money_discrepancies.take),
    Action("/money/discrepancies/{discrepancy_id}/note", Right.MONEY, money_discrepancies.note),
    Action("/money/discrepancies/{discrepancy_id}/resolve", Right.MONEY, money_discrepancies.resolve),
    Action("/money/settlements/draw", Right.MONEY, money_settlements.draw),
    Action("/money/settlements/{settlement_id}/approve", Right.MONEY, money_settlements.approve),
    Action("/money/settlements/{settlement_id}/withdraw", Right.MONEY, money_settlements.withdraw),
    Action("/money/settlements/{settlement_id}/pay", Right.MONEY, money_settlements.pay),
)
