"""Decides how each error looks to a caller of the API: problem+json (RFC 9457) that says what to do."""

from __future__ import annotations

from collections.abc import Mapping

import asyncpg
from aiohttp import web
from pydantic import BaseModel, ValidationError

from connectors.kit.errors import ChannelError
from core.errors import (
    Conflict,
    ConsigndError,
    DatabaseRefused,
    InvalidInput,
    OutOfStock,
    Overloaded,
    UnknownChannel,
    UnknownConsignor,
    UnknownCoupon,
    UnknownDiscrepancy,
    UnknownIncident,
    UnknownListing,
    UnknownMapping,
    UnknownOrder,
    UnknownSettlement,
    UnknownSku,
    UnknownStatement,
)

_UNKNOWN = (
    UnknownSku,
    UnknownConsignor,
    UnknownChannel,
    UnknownOrder,
    UnknownListing,
    UnknownIncident,
    UnknownStatement,
    UnknownMapping,
    UnknownDiscrepancy,
    UnknownCoupon,
    UnknownSettlement,
)
_RETRY_AFTER_SECONDS = 5


class ProblemShape(BaseModel):
    """What every error answers with."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str


class Problem(Exception):
    """An error on its way to the caller."""

    def __init__(
        self, status: int, title: str, detail: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail
        self.headers = headers or {}

    def response(self) -> web.Response:
        """The answer on the wire."""
        shape = ProblemShape(title=self.title, status=self.status, detail=self.detail)
        return web.Response(
            status=self.status,
            body=shape.model_dump_json().encode(),
            headers={**self.headers, "Content-Type": "application/problem+json", "Cache-Control": "no-store"},
        )


def problem_of(error: Exception) -> Problem | None:
    """How an error of core or of the database is told; None for what nobody foresaw."""
    match error:
        case Problem():
            return error
        case ConsigndError():
            return _of_core(error)
        case ChannelError():
            return Problem(502, "The channel refuses or does not answer", str(error))
        case ValidationError():
            return Problem(422, "Not understood", _places(error))
        case web.HTTPException():
            return Problem(error.status, error.reason, error.text or error.reason)
        case (
            asyncpg.PostgresConnectionError()
            | asyncpg.InterfaceError()
            | asyncpg.InternalClientError()
            | OSError()
        ):
            return _later(
                "The database does not answer", "Try again in a moment; /ready says when it is back."
            )
        case _:
            return None


def _of_core(error: ConsigndError) -> Problem:
    """By what the caller should do about it."""
    match error:
        case error if isinstance(error, _UNKNOWN):
            return Problem(404, "Not known", str(error))
        case InvalidInput():
            return Problem(422, "Not understood", str(error))
        case Conflict():
            return Problem(409, "The world moved on", str(error))
        case OutOfStock():
            return Problem(409, "Out of stock", str(error))
        case Overloaded() | DatabaseRefused():
            return _later("Not now", str(error))
        case _:
            return Problem(500, "Not possible", str(error))


def _later(title: str, detail: str) -> Problem:
    return Problem(503, title, detail, {"Retry-After": str(_RETRY_AFTER_SECONDS)})


def _places(error: ValidationError) -> str:
    """Each wrong field and what is wrong with it, without what was written there."""
    return "; ".join(
        f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg']}"
        for each in error.errors(include_input=False, include_url=False, include_context=False)
    )
