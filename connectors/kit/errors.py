"""Every error a connector raises, named for how one recovers from it.

ChannelError
├── TryLater              nothing was done: the same call is safe after `after_seconds`
│   ├── SlowDown          the channel works but wants fewer requests; the client pauses by itself
│   └── ChannelDown       the channel does not answer; the circuit is open until it does
├── OutcomeUnknown        the call may have been carried out: ask before repeating it
├── ChannelRefused        a final no by the channel's own rules: do not repeat the same call
├── AuthenticationFailed  the credentials do not work: a person has to mend them
└── ProtocolBroken        the reply is not what the protocol says: an engineer has to look
CallbackRefused           a callback that is not the channel's, or not understood; carries the HTTP status
OptionsRefused            the channel's options are wrong; says which and what to write
"""

from __future__ import annotations

from pydantic import BaseModel, ValidationError


class ChannelError(Exception):
    """Root of what can go wrong while speaking to a channel."""


class TryLater(ChannelError):
    """Nothing was done; the same call is safe after `after_seconds`."""

    def __init__(self, text: str, after_seconds: float = 5.0) -> None:
        super().__init__(text)
        self.after_seconds = after_seconds


class SlowDown(TryLater):
    """The channel works, but wants fewer requests for a while."""


class ChannelDown(TryLater):
    """The channel does not answer at all, or did not often enough that the circuit is open."""


class OutcomeUnknown(ChannelError):
    """The call was sent and may have been carried out; only asking tells."""


class ChannelRefused(ChannelError):
    """The channel said no for good: the same call will be refused again."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class AuthenticationFailed(ChannelError):
    """Credentials are wrong, expired or lack a right."""


class ProtocolBroken(ChannelError):
    """The reply does not have the shape that the protocol promises."""


class CallbackRefused(Exception):
    """A callback that must not be believed or cannot be read."""

    def __init__(self, text: str, status: int = 401) -> None:
        super().__init__(text)
        self.status = status


class OptionsRefused(Exception):
    """The options given for a channel are wrong; the text says which and what to write.

    `invalid` and `model` are there when a model refused them, so that a caller who knows where the options
    were written can say file and line.
    """

    def __init__(
        self, text: str, invalid: ValidationError | None = None, model: type[BaseModel] | None = None
    ) -> None:
        super().__init__(text)
        self.invalid = invalid
        self.model = model
