"""What every connector is: one account at one marketplace, its options and its declared traits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.kit.errors import OptionsRefused
from connectors.kit.http import ChannelHttp, HttpPolicy
from connectors.kit.traits import Traits


class Options(BaseModel):
    """What an operator writes for a channel; secrets are `SecretStr`. Unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True, slots=True)
class Account:
    """The channel a connector speaks for, as the operator named it."""

    channel: str
    currency: str
    # Secrets are still plain here, so they stay out of the repr.
    options: Mapping[str, object] = field(repr=False)
    now: Callable[[], datetime]
    http: HttpPolicy | None = None


def read_options(account: Account, model: type[OptionsT]) -> OptionsT:
    """Check a channel's options; OptionsRefused names each wrong one and what is wrong with it."""
    try:
        return model.model_validate(account.options)
    except ValidationError as error:
        problems = "; ".join(
            f"channels.{account.channel}.options.{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
            for problem in error.errors(include_input=False, include_url=False)
        )
        raise OptionsRefused(problems, error, model) from None


class Connector(ABC, Generic[OptionsT]):
    """One account at one marketplace.

    A connector holds no facts: stock, orders and money are core's. It may cache an access token and little
    else. Use it as an async context manager; its HTTP client lives that long.
    """

    title: ClassVar[str]
    traits: ClassVar[Traits]

    def __init__(self, account: Account, options: OptionsT) -> None:
        self.account = account
        self.options = options
        self.http = ChannelHttp(account.channel, self.traits.rate_limit, account.http)

    @classmethod
    @abstractmethod
    def open(cls, account: Account) -> Self:
        """Make the connector from the operator's options, read by `read_options`."""

    async def __aenter__(self) -> Self:
        await self.http.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.http.__aexit__(kind, error, trace)

    @abstractmethod
    async def check_account(self) -> str:
        """Make one harmless authenticated call; a line for people, such as the account's name.

        Raises AuthenticationFailed or TryLater.
        """
