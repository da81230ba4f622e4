"""Decides whether a connector treats its options and secrets as it must."""

from __future__ import annotations

import json
import logging

import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from connectors.kit.abilities import ListsOffers, abilities_of
from connectors.kit.contract.base import ContractBase
from connectors.kit.contract.bench import (
    AnyConnector,
    account_for,
    bounded,
    every_offer,
    secret_fields,
    told,
    wrong_secret,
)
from connectors.kit.errors import AuthenticationFailed, OptionsRefused
from connectors.sandbox.faults import Fault
from connectors.sandbox.market import SandboxMarket


def _name(model: type[BaseModel], field: str) -> str:
    return model.model_fields[field].alias or field


def wrongly_opened(market: SandboxMarket, connector: AnyConnector) -> AnyConnector:
    """The same connector with secrets that are not the market's."""
    secrets = {
        _name(type(connector.options), field): wrong_secret(value)
        for field, value in secret_fields(connector).items()
    }
    return type(connector).open(account_for(market, {**market.connection_options(), **secrets}))


class AccountContract(ContractBase):
    """Options, secrets, credentials, and reading through small faults."""

    async def test_it_says_what_it_is(self, connector: AnyConnector) -> None:
        assert connector.title
        assert connector.traits.rate_limit.requests > 0
        assert abilities_of(type(connector)), "a connector without an ability does nothing"

    async def test_an_unknown_option_is_refused_by_name(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        options = {**market.connection_options(), "no_such_option": "x"}
        with pytest.raises(OptionsRefused, match="no_such_option"):
            type(connector).open(account_for(market, options))

    async def test_each_missing_option_is_refused_by_name(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        model = type(connector.options)
        for field, about in model.model_fields.items():
            name = _name(model, field)
            if not about.is_required():
                continue
            options = {key: value for key, value in market.connection_options().items() if key != name}
            with pytest.raises(OptionsRefused, match=name):
                type(connector).open(account_for(market, options))

    async def test_a_refused_option_does_not_tell_the_secrets(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        for field, secret in secret_fields(connector).items():
            name = _name(type(connector.options), field)
            with pytest.raises(OptionsRefused) as refused:
                type(connector).open(account_for(market, {**market.connection_options(), name: [secret]}))
            assert secret not in told(refused.value)

    @bounded
    async def test_the_account_can_be_checked(self, connector: AnyConnector) -> None:
        assert (await connector.check_account()).strip()

    @bounded
    async def test_wrong_credentials_are_named_so(
        self, market: SandboxMarket, connector: AnyConnector
    ) -> None:
        if not secret_fields(connector):
            pytest.skip("the connector's options have no secret")
        async with wrongly_opened(market, connector) as stranger:
            with pytest.raises(AuthenticationFailed):
                await stranger.check_account()

    @bounded
    async def test_no_secret_is_told(
        self, market: SandboxMarket, connector: AnyConnector, caplog: pytest.LogCaptureFixture
    ) -> None:
        stranger = wrongly_opened(market, connector)
        with capture_logs() as events, caplog.at_level(logging.DEBUG):
            await connector.check_account()
            async with stranger:
                with pytest.raises(AuthenticationFailed) as failed:
                    await stranger.check_account()
        shown = [repr(connector), repr(connector.options), repr(connector.account), str(connector.options)]
        shown += [json.dumps(events, default=repr), caplog.text, told(failed.value)]
        for each in (connector, stranger):
            for field, secret in secret_fields(each).items():
                assert not any(secret in text for text in shown), f"the option {field} is told in clear"

    @bounded
    @pytest.mark.parametrize("after", [0, 1])
    @pytest.mark.parametrize(
        "fault", [Fault.TOO_MANY_REQUESTS, Fault.SERVER_ERROR, Fault.DROPPED_CONNECTION, Fault.LOST_REPLY]
    )
    async def test_reading_outlasts_a_small_fault(
        self, market: SandboxMarket, connector: AnyConnector, fault: Fault, after: int
    ) -> None:
        market.faults.once(fault, after)
        assert await connector.check_account()
        if isinstance(connector, ListsOffers):
            offers, _ = await every_offer(connector)
            assert {offer.listing_ref for offer in offers} == set(market.listings)
