"""Decides whether requests to a shop on plain http are signed as OAuth 1.0a says, and only then believed."""

from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from connectors.kit.contract import account_for
from connectors.kit.errors import AuthenticationFailed, ChannelRefused, OptionsRefused
from connectors.sandbox.faults import Fault
from connectors.woocommerce import WooCommerce
from connectors.woocommerce.signing import Credentials, basic_header, oauth_parameters, signature_base
from tests.connectors.woocommerce_bench import Clock, connect, raw, shop, signed

_CREDENTIALS = Credentials("ck_0123456789abcdef", "cs_fedcba9876543210")


# Both signatures were computed with oauthlib 4.0.1 (signature_base_string, normalize_parameters,
# sign_hmac_sha256_with_client) from the same inputs, without a token and without oauth_version.
def test_a_query_with_awkward_characters_is_signed_as_oauthlib_signs_it() -> None:
    url = "http://shop.example:8080/wp-json/wc/v3/orders"
    query = {
        "after": "2026-11-21T20:00:00",
        "search": "a b+c&d=é~*",
        "per_page": "100",
        "modified_after": "2026-11-21T19:58:00",
    }
    parameters = oauth_parameters("GET", url, query, _CREDENTIALS, nonce="7d8f3e4a", timestamp=1795291200)
    assert parameters["oauth_signature"] == "CVh64RAjDKnOskC94iqoj0jkY7yTfQYH3M2pI65+mec="


def test_case_and_default_port_are_signed_as_oauthlib_signs_them() -> None:
    url = "http://Shop.Example:80/wp-json/wc/v3/orders/17/notes"
    parameters = oauth_parameters(
        "post", url, {}, _CREDENTIALS, nonce="kllo9940pd9333jh", timestamp=1795291200
    )
    assert parameters["oauth_signature"] == "Xu3CqvM+8d2pkHG/ele9RlOfxArHx1KnrnfKZr88BjU="


def test_the_signed_text_is_that_of_the_standard() -> None:
    # RFC 5849, section 3.4.1.1, with its parameters (those that occur once).
    parameters = {
        "b5": "=%3D",
        "a3": "2 q",
        "c@": "",
        "a2": "r b",
        "c2": "",
        "oauth_consumer_key": "9djdj82h48djs9d2",
        "oauth_token": "kkk9d7dh3k39sjv7",
        "oauth_signature_method": "HMAC-SHA1",
        "oauth_timestamp": "137131201",
        "oauth_nonce": "7d8f3e4a",
    }
    assert signature_base("POST", "http://EXAMPLE.COM:80/request?x=1", parameters) == (
        "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26b5%3D%253D%25253D%26"
        "c%2540%3D%26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26"
        "oauth_signature_method%3DHMAC-SHA1%26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
    )


def test_https_sends_the_key_as_basic() -> None:
    encoded = basic_header(_CREDENTIALS)["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(encoded) == b"ck_0123456789abcdef:cs_fedcba9876543210"


async def test_a_signed_request_is_believed_once() -> None:
    async with shop() as market:
        params = signed(market, "GET", "/orders")
        assert (await raw(market, "GET", "/orders", params))[0] == 200
        status, body = await raw(market, "GET", "/orders", params)
        assert status == 401
        assert isinstance(body, dict)
        assert "nonce" in str(body["message"])


async def test_a_signature_holds_for_its_method_path_and_query_only() -> None:
    async with shop() as market:
        params = signed(market, "GET", "/orders")
        assert (await raw(market, "GET", "/products", params))[0] == 401
        assert (await raw(market, "POST", "/orders", params, json={}))[0] == 401
        assert (await raw(market, "GET", "/orders", {**params, "status": "pending"}))[0] == 401


@pytest.mark.parametrize("seconds", [-901, 901])
async def test_a_time_outside_the_window_is_refused(seconds: int) -> None:
    clock = Clock()
    async with shop(now=clock) as market:
        stamp = int(clock().timestamp()) + seconds
        assert (await raw(market, "GET", "/orders", signed(market, "GET", "/orders", timestamp=stamp)))[
            0
        ] == 401


async def test_basic_over_http_is_refused_like_no_key_at_all() -> None:
    async with shop() as market:
        options = market.connection_options()
        key = Credentials(str(options["consumer_key"]), str(options["consumer_secret"]))
        told = await raw(market, "GET", "/orders", {}, headers=basic_header(key))
        assert told == await raw(market, "GET", "/orders", {})
        status, body = told
        assert status == 401
        assert isinstance(body, dict)
        assert body["code"] == "woocommerce_rest_cannot_view"


async def test_a_lost_reply_is_retried_with_a_new_nonce() -> None:
    async with shop() as market, connect(market) as connector:
        market.faults.once(Fault.LOST_REPLY)
        assert await connector.check_account()
        assert market.faults.happened[Fault.LOST_REPLY] == 1


async def test_a_wrong_clock_is_named_as_a_possible_cause() -> None:
    async with shop(now=Clock()) as market, WooCommerce.open(account_for(market)) as connector:
        with pytest.raises(AuthenticationFailed, match="clock"):
            await connector.check_account()


async def test_another_currency_is_refused_before_money_is_read_wrongly() -> None:
    async with shop() as market, connect(market) as connector:
        market.settings["general/woocommerce_currency"] = "USD"
        with pytest.raises(ChannelRefused, match="USD"):
            await connector.check_account()


async def test_prices_entered_without_tax_are_refused() -> None:
    async with shop() as market, connect(market) as connector:
        market.settings["tax/woocommerce_prices_include_tax"] = "no"
        with pytest.raises(ChannelRefused, match="tax"):
            await connector.check_account()
        market.settings["general/woocommerce_calc_taxes"] = "no"
        assert await connector.check_account()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_url", "shop.example"),
        ("base_url", "ftp://shop.example"),
        ("base_url", "https://shop.example/?x=1"),
        ("webhook_secret", "short"),
        ("webhook_secret", "with-an-entity-&lt;-inside"),
        ("orders_from", "2026-11-21T20:00:00"),
        ("overlap_seconds", 0),
    ],
)
async def test_a_wrong_option_is_refused_by_name(name: str, value: object) -> None:
    async with shop() as market:
        with pytest.raises(OptionsRefused, match=name):
            connect(market, **{name: value})


async def test_a_slash_at_the_end_of_the_address_does_no_harm() -> None:
    async with shop() as market, connect(market, base_url=f"{market.url}/") as connector:
        assert await connector.check_account()
        assert isinstance(connector.options.consumer_key, SecretStr)
