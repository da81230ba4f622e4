"""Decides what accountants call our accounts: patterns over party, name and purpose give account names. Pure.

Names are those of beancount: components of letters, digits and dashes, the first one of five. What a party
calls itself is turned into such a component; two parties whose names come out alike are told apart by a
piece of a hash of the later one's, so that a name never changes once it was used.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from hashlib import blake2b

from core.errors import InvalidInput

_ROOTS = ("Assets", "Liabilities", "Equity", "Income", "Expenses")
_FIELDS = ("party", "name", "purpose")
_PARTS = 3
_SLOTS = {f"{{{field}}}" for field in _FIELDS}

# The first that fits. Those of a file come before.
_USUAL = {
    "channel/*/receivable": "Assets:Channels:{name}:Receivable",
    "channel/*/commission": "Expenses:Channels:{name}:Commission",
    "channel/*/recharged": "Income:Channels:{name}:Recharged",
    "channel/*/*": "Assets:Channels:{name}:{purpose}",
    "operator/*/commission": "Income:{purpose}",
    "operator/*/exchange_gain": "Income:Exchange",
    "operator/*/exchange_*": "Expenses:{purpose}",
    "operator/*/loss": "Expenses:Loss",
    "operator/*/correction": "Expenses:Corrections",
    "operator/*/conversion": "Equity:Conversion",
    "operator/*/breakage": "Income:Breakage",
    "operator/*/rebate": "Expenses:Campaigns:{name}",
    "operator/*/promotion": "Expenses:Promotion:{name}",
    "operator/*/released": "Income:Budgets:{name}",
    "operator/*/coupon_borne": "Income:Coupons:{name}",
    "operator/*/bank": "Assets:Bank:{name}",
    "operator/*/*": "Equity:Operator:{name}:{purpose}",
    "consignor/*/*": "Liabilities:Consignors:{name}:{purpose}",
    "referrer/*/*": "Liabilities:Referrers:{name}:{purpose}",
    "buyer/*/claim": "Assets:Buyers:{name}:Claim",
    "buyer/*/*": "Liabilities:Buyers:{name}:{purpose}",
    "party/*/coupon": "Assets:Parties:{name}:Coupons",
    "budget/*/*": "Liabilities:Budgets:{name}:{purpose}",
    "*/*/*": "Liabilities:{party}:{name}:{purpose}",
}


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the journal as accountants are told of it."""

    account_id: int
    party: str
    party_name: str
    purpose: str
    currency: str


@dataclass(frozen=True, slots=True)
class _Rule:
    party: str
    name: str
    purpose: str
    template: tuple[str, ...]

    def fits(self, account: Account) -> bool:
        return (
            fnmatchcase(account.party, self.party)
            and fnmatchcase(account.party_name, self.name)
            and fnmatchcase(account.purpose, self.purpose)
        )


class Chart:
    """The rules by which accounts are named."""

    def __init__(self, written: Mapping[str, str] | None = None) -> None:
        rules = {
            **(written or {}),
            **{key: name for key, name in _USUAL.items() if key not in (written or {})},
        }
        self._rules = [_rule(pattern, template) for pattern, template in rules.items()]

    @classmethod
    def parse(cls, text: str, where: str) -> Chart:
        """Read `[accounts]` of a TOML file: "party/name/purpose" patterns and the names they give."""
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise InvalidInput(f"{where}: {error}") from None
        accounts = content.get("accounts")
        if set(content) != {"accounts"} or not isinstance(accounts, dict):
            raise InvalidInput(
                f'{where}: write one table [accounts], such as "consignor/*/*" = "Liabilities:..."'
            )
        for pattern, name in accounts.items():
            if not isinstance(name, str):
                raise InvalidInput(f"{where}: {pattern!r}: write the name of an account in quotes")
        try:
            return cls({str(pattern): str(name) for pattern, name in accounts.items()})
        except InvalidInput as error:
            raise InvalidInput(f"{where}: {error}") from None

    def names(self, accounts: Iterable[Account]) -> dict[int, str]:
        """The name of each account, by its id. Hand in all there are: names are given in the order of ids."""
        taken: dict[str, str] = {}
        return {
            account.account_id: self._name(account, taken)
            for account in sorted(accounts, key=lambda account: account.account_id)
        }

    def _name(self, account: Account, taken: dict[str, str]) -> str:
        rule = next(rule for rule in self._rules if rule.fits(account))
        words = {"{party}": account.party, "{name}": account.party_name, "{purpose}": account.purpose}
        parts = []
        for part in rule.template:
            word = words.get(part)
            if word is None:
                parts.append(part)
            elif word:
                parts.append(_own(word, ":".join(parts), taken))
        return ":".join(parts)


def _rule(pattern: str, template: str) -> _Rule:
    first, *names, last = pattern.split("/") if pattern.count("/") >= _PARTS - 1 else ("", "")
    if not names:
        raise InvalidInput(
            f'{pattern!r}: write a pattern of party/name/purpose, such as "consignor/*/payable"'
        )
    parts = tuple(template.split(":"))
    wrong = [part for part in parts[1:] if part not in _SLOTS and _component(part) != part]
    if parts[0] not in _ROOTS or len(parts) == 1 or wrong:
        raise InvalidInput(
            f"{template!r}: write a name such as Liabilities:Consignors:{{name}}: one of {', '.join(_ROOTS)},"
            " then parts of letters, digits and dashes, or {party}, {name}, {purpose}"
        )
    return _Rule(first, "/".join(names), last, parts)


def _own(word: str, before: str, taken: dict[str, str]) -> str:
    """The component for a word that no other word has at the same place."""
    component = _component(word)
    if taken.setdefault(f"{before}:{component}", word) != word:
        component = f"{component}-{blake2b(word.encode(), digest_size=4).hexdigest()}"
    return component


def _component(word: str) -> str:
    """A word as a part of a name: a capital or a digit first, nothing but letters, digits and dashes."""
    signs = "".join(sign if sign.isalnum() and (sign.isascii() or sign.isalpha()) else "-" for sign in word)
    kept = "-".join(filter(None, signs.split("-")))
    first = kept[:1].upper()
    # Nothing is left of some names, and some letters have no capital of one letter.
    return first + kept[1:] if len(first) == 1 else f"X{kept}"
