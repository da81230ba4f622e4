"""Decides who may do what: tokens, roles and the rights that a role has."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

_FAILURES_AT_MOST = 20
_WINDOW_SECONDS = 60.0
_ADDRESSES_KEPT = 10_000


class Right(StrEnum):
    """What a route asks of its caller."""

    READ = "read"  # stock, orders, channels
    OPERATE = "operate"  # import, list, pause, cancel, replace
    REVEAL = "reveal"  # see one code in clear, with a reason that is kept
    SPEND = "spend"  # see and spend what buyers have in their wallets, as a shop's checkout does
    MONEY = "money"  # balances, journals, splits, closing a month
    REOPEN = "reopen"  # open a closed month again


class Role(StrEnum):
    """Who uses the console or the API. Operator and finance stand beside each other, not above."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    FINANCE = "finance"
    ADMIN = "admin"


RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.VIEWER: frozenset({Right.READ}),
    Role.OPERATOR: frozenset({Right.READ, Right.OPERATE, Right.REVEAL, Right.SPEND}),
    Role.FINANCE: frozenset({Right.READ, Right.MONEY, Right.SPEND}),
    Role.ADMIN: frozenset(Right),
}


@dataclass(frozen=True, slots=True)
class Token:
    """Whose token it is, and what it lets them do."""

    name: str
    role: Role

    def may(self, right: Right) -> bool:
        """Whether the token's role has a right."""
        return right in RIGHTS[self.role]


def token_hash(token: str) -> str:
    """What `Services.tokens` is keyed by."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def find_token(tokens: Mapping[str, Token], given: str) -> Token | None:
    """Whose token this is. Every known hash is compared, each in constant time."""
    hashed = token_hash(given)
    found = None
    for known, token in tokens.items():
        if hmac.compare_digest(known, hashed):
            found = token
    return found


def roles_with(right: Right) -> list[str]:
    """The roles that have a right, for telling a caller whom to ask."""
    return [role.value for role in Role if right in RIGHTS[role]]


class GuessLimiter:
    """Stops listening to an address that keeps coming with tokens nobody has. In this process only."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def wait_seconds(self, address: str) -> int:
        """How long the address has to wait before its tokens are looked at again; 0: it need not."""
        since, count = self._failures.get(address, (0.0, 0))
        left = since + _WINDOW_SECONDS - time.monotonic()
        return int(left) + 1 if count >= _FAILURES_AT_MOST and left > 0 else 0

    def failed(self, address: str) -> None:
        """Note a wrong token."""
        now = time.monotonic()
        since, count = self._failures.pop(address, (now, 0))
        if now - since > _WINDOW_SECONDS:
            since, count = now, 0
        self._failures[address] = (since, count + 1)
        if len(self._failures) > _ADDRESSES_KEPT:
            self._failures.popitem(last=False)
