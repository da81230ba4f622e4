"""Fees that marketplaces and payment platforms show in public are split as they show them, to the cent."""

from __future__ import annotations

import pytest

from core.money.money import Money
from core.money.plans.grossing import gross_up
from core.money.plans.refunds import Refunded, refund_amount
from core.money.plans.waterfall import Split, evaluate
from tests.unit.plan_entries import (
    DELIVERED,
    SOLD,
    Entries,
    channel,
    entries,
    example,
    refund_postings,
    sale,
    sold,
)


def expected(gross: int, kept: int, fee: int) -> Entries:
    """The entries of a sale of which channel and operator take so much, and Ada the rest."""
    return channel(gross, kept) | {
        "operator commission": -fee,
        "consignor Ada payable": kept + fee - gross,
    }


def given_back(split: Split, amount_minor: int) -> Entries:
    nothing = Refunded.nothing(split)
    return entries(
        refund_postings(split, nothing, refund_amount(split, nothing, amount_minor), DELIVERED, SOLD)
    )


# Source: eBay, "Our per-order fee is changing", seller update of winter 2024,
# www.ebay.com/sellercenter/resources/seller-updates/2024-winter/financials (seen 2026-11-22): a card of
# 25.00 pays 3.71, of which 0.40 per order; up to 10.00 it is 0.30.
@pytest.mark.parametrize(
    ("price", "kept", "fee"),
    [
        ("25.00", 371, 106),  # 13.25 % = 3.3125 -> 3.31, + 0.40; 5 % of 21.29 = 1.0645 -> 1.06
        ("10.00", 163, 42),  # 1.325 -> 1.33, + 0.30; 5 % of 8.37 = 0.4185 -> 0.42
        ("10.01", 173, 41),  # 1.326325 -> 1.33, + 0.40; 5 % of 8.28 = 0.414 -> 0.41
    ],
)
def test_ebay(price: str, kept: int, fee: int) -> None:
    facts = sale(price, "USD")
    assert sold(evaluate(example("ebay"), facts)) == expected(facts.gross_minor, kept, fee)


# Source: eBay, "FAQ: Will my fees be prorated if I offer a partial refund?",
# ebayseaforbusiness.com/tutorial/faq-will-my-fees-be-prorated-if-i-offer-a-partial-refund (seen
# 2026-11-22): the final value fee comes back in proportion, the fee per order does not.
def test_ebay_keeps_the_fee_of_the_order_when_a_fifth_goes_back() -> None:
    # 5.00 over 3.31, 0.40, 1.06, 20.23: 0.662, 0.08, 0.212, 4.046 -> 0.66, 0.08, 0.21, 4.05. The 0.08 stays
    # with the channel, and the consignor bears it: 4.13.
    assert given_back(evaluate(example("ebay"), sale("25.00", "USD")), 500) == {
        "channel mkt receivable": -434,
        "channel mkt commission": -66,
        "channel mkt recharged": 66,
        "operator commission": 21,
        "consignor Ada payable": 413,
    }


# Source: Discogs, "What Are The Fees For Selling On Discogs?", support.discogs.com/hc/articles/360007521674
# (seen 2026-11-22): 1, 100 and 5,000 pay 0.10, 8.00 and 150.00.
@pytest.mark.parametrize(
    ("price", "kept", "fee"),
    [
        ("1.00", 10, 5),  # 0.08 is below the minimum; 5 % of 0.90 = 0.045 -> 0.05
        ("1.25", 10, 6),  # 0.10 is just the minimum; 5 % of 1.15 = 0.0575 -> 0.06
        ("100.00", 800, 460),  # 5 % of 92.00
        ("1875.00", 15_000, 8_625),  # 150.00 is just the maximum; 5 % of 1,725.00
        ("5000.00", 15_000, 24_250),  # 400.00 is above it; 5 % of 4,850.00
    ],
)
def test_discogs(price: str, kept: int, fee: int) -> None:
    facts = sale(price, "USD")
    assert sold(evaluate(example("discogs"), facts)) == expected(facts.gross_minor, kept, fee)


# Source: Amazon, "Selling on Amazon fee schedule", sellercentral.amazon.com/gp/help/external/200336920
# (seen 2026-11-22; its table of 2021 as gist.github.com/AnalyzePlatypus/1b0d2dac399037e2d92fa09f1fbf408e
# keeps it): the greater of the percentage and the minimum, and 0.99 for an individual seller's item.
@pytest.mark.parametrize(
    ("price", "kept", "fee"),
    [
        ("1.50", 129, 1),  # 0.225 -> 0.23, so 0.30, + 0.99; 5 % of 0.21 = 0.0105 -> 0.01
        ("2.10", 131, 4),  # 0.315 -> 0.32, + 0.99; 5 % of 0.79 = 0.0395 -> 0.04
        ("25.00", 474, 101),  # 3.75 + 0.99; 5 % of 20.26 = 1.013 -> 1.01
    ],
)
def test_amazon(price: str, kept: int, fee: int) -> None:
    facts = sale(price, "USD")
    assert sold(evaluate(example("amazon"), facts)) == expected(facts.gross_minor, kept, fee)


def test_amazon_takes_its_minimum_and_its_fee_for_every_item() -> None:
    # Three of 1.50: 3 x 1.29 = 3.87, and 0.01 each.
    three = evaluate(example("amazon"), sale("1.50", "USD", 3))
    assert sold(three) == expected(450, 387, 3)


# Source: Square, "Refund payments with application fees",
# developer.squareup.com/docs/payments-api/collect-fees/payment-with-app-fee-refund (seen 2026-11-22): of
# 20.00 with a fee of 2.00, Square has 0.88 and the seller 17.12; of a refund of 15.00 the platform gives
# back 1.50, Square nothing.
def test_square_keeps_its_processing_fee_and_the_platform_gives_back_in_proportion() -> None:
    split = evaluate(example("square"), sale("20.00", "USD"))
    # 2.9 % of 20.00 = 0.58, + 0.30.
    assert sold(split) == channel(2_000, 88) | {"operator commission": -200, "consignor Ada payable": -1_712}
    # The seller gives back his 12.84 and the 0.66 that Square keeps.
    assert given_back(split, 1_500) == {
        "channel mkt receivable": -1_500,
        "operator commission": 150,
        "consignor Ada payable": 1_350,
    }


# Source: PayPal, "If the refund I issue is accepted, are the fees from the original transaction credited?",
# www.paypal.com/ca/smarthelp/article/faq1672 (seen 2026-11-22): the variable fee comes back in proportion,
# the fixed one never. Its help quoted at
# fringe.davesource.com/Fringe/Hacking/Hacks/Paypal-Fixed-Transaction-Fee.html (seen the same day): of
# 100.00 the fee is 2.90 + 0.30, and a refund of 40.00 brings back 1.16.
def test_paypal_gives_back_the_variable_fee_alone() -> None:
    split = evaluate(example("paypal"), sale("100.00", "USD"))
    assert sold(split) == expected(10_000, 320, 968)  # 10 % of 96.80
    # 40.00 over 2.90, 0.30, 9.68, 87.12: 1.16, 0.12, 3.872, 34.848 -> 1.16, 0.12, 3.87, 34.85. The 0.12 stays
    # with PayPal, and the operator bears it: 3.99.
    assert given_back(split, 4_000) == {
        "channel mkt receivable": -3_884,
        "channel mkt commission": -116,
        "channel mkt recharged": 116,
        "operator commission": 399,
        "consignor Ada payable": 3_485,
    }
    # All of it goes back: PayPal keeps 0.30, so takes it off our balance.
    assert given_back(split, 10_000) == {
        "channel mkt receivable": -9_710,
        "channel mkt commission": -290,
        "channel mkt recharged": 290,
        "operator commission": 968,
        "operator loss": 30,
        "consignor Ada payable": 8_712,
    }


# Source: the table of thetoolsforge.com/calculators/stripe-fee-calculator (seen 2026-11-22) for Stripe's
# American list price, 2.9 % + 0.30: what is received of 10, 100 and 2,500.
@pytest.mark.parametrize(
    ("price", "kept", "fee"),
    [
        ("10.00", 59, 94),  # 9.41 is received; 10 % of it = 0.941 -> 0.94
        ("100.00", 320, 968),  # 96.80
        ("2500.00", 7_280, 24_272),  # 2,427.20
    ],
)
def test_stripe(price: str, kept: int, fee: int) -> None:
    facts = sale(price, "USD")
    assert sold(evaluate(example("stripe"), facts)) == expected(facts.gross_minor, kept, fee)


# Source: Stripe, "Passing the Stripe fee on to customers",
# support.stripe.com/questions/passing-the-stripe-fee-on-to-customers, and the figures of
# vadimkononov.ca/blog/how-to-calculate-the-correct-amount-with-stripe-fees-included (both seen 2026-11-22):
# (100.00 + 0.30) / 0.971 = 103.2956, so 103.30 leaves 100.00. 103.29, as some have it, leaves a cent too
# little.
def test_stripe_prices_are_found_so_that_the_wanted_sum_is_left() -> None:
    wanted = Money(10_000, "USD")
    assert gross_up(example("stripe"), wanted, sale("1.00", "USD"), range(1, 10**9)) == Money(10_330, "USD")
    assert sold(evaluate(example("stripe"), sale("103.29", "USD")))["channel mkt receivable"] == 9_999


# Source: WeChat Pay, "Refunds", pay.weixin.qq.com/wechatpay_h5/pages/faq/refund.shtml (seen 2026-11-22):
# the fee that comes back is the amount of the refund times the rate. A merchant's figures at
# developers.weixin.qq.com/community/develop/doc/0002c462b0832887323cdf8c256000 (seen the same day): of
# 1,000 at 6 per mille 994 are left.
def test_wechat_pay_gives_back_its_rate_of_what_is_refunded() -> None:
    split = evaluate(example("wechat-pay"), sale("1000.00", "CNY"))
    assert sold(split) == expected(100_000, 600, 4_970)  # 5 % of 994.00
    # 250.00 over 6.00, 49.70, 944.30: 1.50, 12.425, 236.075: the halves tie, and the operator stands first.
    assert given_back(split, 25_000) == {
        "channel mkt receivable": -24_850,
        "channel mkt commission": -150,
        "channel mkt recharged": 150,
        "operator commission": 1_243,
        "consignor Ada payable": 23_607,
    }


@pytest.mark.parametrize(
    ("plan", "currency"), [("ebay", "USD"), ("square", "USD"), ("paypal", "USD"), ("wechat-pay", "CNY")]
)
@pytest.mark.parametrize("steps", [(1_500,), (1, 499, 1_000), (700, 100, 700)])
def test_refunds_by_steps_end_where_one_refund_does(plan: str, currency: str, steps: tuple[int, ...]) -> None:
    split = evaluate(example(plan), sale("20.00", currency))
    state = Refunded.nothing(split)
    total: Entries = {}
    for amount_minor in steps:
        reached = refund_amount(split, state, amount_minor)
        for name, minor in entries(refund_postings(split, state, reached, DELIVERED, SOLD)).items():
            total[name] = total.get(name, 0) + minor
        state = reached
    assert {name: minor for name, minor in total.items() if minor} == given_back(split, 1_500)
