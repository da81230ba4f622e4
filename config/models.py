"""Decides what an operator may write, table by table, and which values make sense."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from config.fields import (
    Amount,
    Currency,
    Name,
    Port,
    PublicUrl,
    SealingKey,
    Seconds,
    Table,
    Token,
    Whole,
    lower,
    not_boolean,
)
from config.guard import ChannelDrift, ChannelGuard
from config.price import ChannelPrice, ListingPrice
from config.stock import ChannelStock, ListingStock


class Web(Table):
    """Where we listen, and where marketplaces reach us."""

    host: str = "127.0.0.1"
    port: Port = 8080
    public_url: PublicUrl | None = None


class Log(Table):
    """How much is logged, and for whom."""

    level: Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(lower)] = (
        "info"
    )
    format: Literal["auto", "json", "human"] = "auto"


class Keys(Table):
    """The key-encryption keys by id; none written: one is generated in the data directory under `current`."""

    current: Name = "k1"
    files: dict[Name, SealingKey] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _current_exists(self) -> Self:
        if self.files and self.current not in self.files:
            raise ValueError(
                f"no key named {self.current}: write it under [keys.files], or name {', '.join(self.files)}"
            )
        return self


class ApiToken(Table):
    """One who may call the API, and as what."""

    name: Name
    role: Literal["viewer", "operator", "finance", "admin"]
    token: Token


class Api(Table):
    """Who may call the API."""

    tokens: tuple[ApiToken, ...] = ()

    @model_validator(mode="after")
    def _one_of_each(self) -> Self:
        for name, times in Counter(token.name for token in self.tokens).items():
            if times > 1:
                raise ValueError(f"{times} tokens are named {name}: give each a name of its own")
        if len({token.token.get_secret_value() for token in self.tokens}) < len(self.tokens):
            raise ValueError(
                "two names have the same token, so a caller's role would be unclear: write different ones"
            )
        return self


class Sync(Table):
    """How often the loops go round and how long things are held."""

    push_interval_seconds: Seconds = 1.0
    pull_interval_seconds: Seconds = 15.0
    reconcile_interval_seconds: Seconds = 300.0
    # Prices that time, history and rivals may move are recalculated this often, and whenever a rule begins.
    reprice_interval_seconds: Seconds = 120.0
    # How old what rivals ask may be before they are looked at again.
    rivals_interval_seconds: Seconds = 600.0
    lease_seconds: Seconds = 10.0
    reservation_hold_seconds: Seconds = 900.0
    # A fixed share of the SKUs each; as many as the database machine has cores.
    lanes: Annotated[int, BeforeValidator(not_boolean), Field(ge=1, le=64)] = 2


class Risk(Table):
    """From where on a paid order waits for a person, or is refused; amounts are the channel's currency."""

    hold_above: Amount | None = None
    refuse_above: Amount | None = None
    hold_above_quantity: Whole | None = None

    @model_validator(mode="after")
    def _refuses_above_what_it_holds(self) -> Self:
        hold, refuse = self.hold_above, self.refuse_above
        if hold is not None and refuse is not None and hold > refuse:
            raise ValueError("hold_above is above refuse_above, so nothing would be held: exchange them")
        return self


class Listing(Table):
    """One listing of a channel, where it wants something else than the channel."""

    ref: Annotated[str, Field(min_length=1)]
    stock: ListingStock = ListingStock()
    price: ListingPrice = ListingPrice()


class Channel(Table):
    """One account at one marketplace."""

    connector: str
    currency: Currency
    enabled: bool = True
    # Works out and shows what it would publish, and publishes nothing; orders are taken and served.
    dry_run: bool = False
    split: str = "default"
    # How long the marketplace keeps money before it pays; shares that vest after the hold wait for it.
    payout_hold_days: Annotated[Whole, Field(le=3_650)] = 0
    poll_interval_seconds: Seconds | None = None
    stock: ChannelStock = ChannelStock()
    price: ChannelPrice = ChannelPrice()
    # What a change of price costs there when no free one is left; without it none is ever paid for.
    price_change_fee: Amount | None = None
    # What single listings want otherwise, by the marketplace's reference.
    listings: tuple[Listing, ...] = ()
    shortage: Literal["wait", "cancel"] = "wait"
    # How long a paid order waits for codes before "cancel" gives the money back.
    shortage_patience_minutes: Annotated[float, BeforeValidator(not_boolean), Field(ge=0, le=525_600)] = 10
    risk: Risk = Risk()
    drift: ChannelDrift = ChannelDrift()
    guard: ChannelGuard = ChannelGuard()
    min_validity_days: Whole = 0
    # The connector's own model judges these; secrets among them are SecretStr.
    options: dict[str, object] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _each_listing_once(self) -> Self:
        for ref, times in Counter(listing.ref for listing in self.listings).items():
            if times > 1:
                raise ValueError(f"{times} tables are for listing {ref}: join them")
        return self

    def plain_options(self) -> dict[str, object]:
        """The options with their secrets opened, as a connector's own model takes them."""
        return {name: _opened(value) for name, value in self.options.items()}


def _opened(value: object) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, dict):
        return {name: _opened(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_opened(part) for part in value]
    return value
