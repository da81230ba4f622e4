"""Carries messages to the services people are reached by, through apprise, and tells what became of each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from apprise import Apprise, AppriseAsset, NotifyType
from apprise.result import AppriseResult, AppriseResultStatus

from config.alerts import AlertRoute, secret_parts
from config.scrub import SecretScrubber
from core.alerts.messages import Text
from core.alerts.notices import Outcome
from core.alerts.rules import Severity
from core.errors import InvalidInput

SEND_SECONDS = 20.0
# Its own time-outs come first; this is for what hangs all the same.
_GIVE_UP_SECONDS = 30.0
# Much longer than an attempt takes, so that nobody sends what is still being sent.
CLAIM_SECONDS = 120.0
_TYPES: Mapping[Severity, NotifyType] = {
    Severity.INFO: NotifyType.INFO,
    Severity.WARNING: NotifyType.WARNING,
    Severity.CRITICAL: NotifyType.FAILURE,
}


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an attempt, and what the service said where it said no; without a secret."""

    outcome: Outcome
    error: str = ""


class Messenger:
    """The routes of this daemon, by name."""

    def __init__(self, routes: Mapping[str, AlertRoute]) -> None:
        self._lines = {name: _Line(route) for name, route in routes.items()}

    async def send(self, route: str, text: Text) -> Sent:
        """Send once; whatever happens, it is told and not raised."""
        if route not in self._lines:
            raise InvalidInput(
                f"route {route!r} is not configured; configured: {', '.join(sorted(self._lines)) or 'none'}"
            )
        return await self._lines[route].send(text)


class _Line:
    """One route's address, opened."""

    def __init__(self, route: AlertRoute) -> None:
        url = route.url.get_secret_value()
        self._scrubber = SecretScrubber([url, *secret_parts(url)])
        # Nothing is kept on disk, and no service of our own making is looked for in folders.
        self._service = Apprise(asset=AppriseAsset(app_id="consignd", service_timeout=SEND_SECONDS))
        self._service.add(url)

    async def send(self, text: Text) -> Sent:
        try:
            async with asyncio.timeout(_GIVE_UP_SECONDS):
                result = await self._service.async_notify(
                    body=text.body, title=text.title, notify_type=_TYPES[text.severity], timeout=SEND_SECONDS
                )
        except TimeoutError:
            return Sent(Outcome.UNKNOWN, f"no answer in {_GIVE_UP_SECONDS:.0f} s")
        except Exception as error:  # a service's plug-in may raise anything, and must not end the others
            return Sent(Outcome.UNKNOWN, self._scrubber.text(f"{type(error).__name__}: {error}"))
        return self._read(result)

    def _read(self, result: AppriseResult) -> Sent:
        if result.status is AppriseResultStatus.SUCCESS:
            return Sent(Outcome.SENT)
        said = [entry.message for service in result for attempt in service for entry in attempt]
        error = self._scrubber.text(" ".join(said)) or result.status.name.lower()
        # A service that was reached and said nothing may have taken it all the same.
        unknown = result.status is AppriseResultStatus.TIMEOUT or "onnection" in error or "imed out" in error
        return Sent(Outcome.UNKNOWN if unknown else Outcome.FAILED, error)
