"""Tests that terms give one text in every process, and another as soon as anything in them differs."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

from core.offers.matching import SkuMatch
from core.offers.stock.rules import SkuRule, StockPolicy, StockRule
from core.offers.terms_text import terms_digest
from core.types import ChannelId
from tests.factories import terms_of
from tests.plain_plans import plain_plan

_TAGS = [f"tag-{n}" for n in range(12)]
_PRINT = f"""
from core.offers.matching import SkuMatch
from core.offers.stock.rules import SkuRule, StockPolicy, StockRule
from core.offers.terms_text import terms_digest
policy = StockPolicy(by_sku=(SkuRule(SkuMatch(tags=frozenset({_TAGS!r})), StockRule(cap=7)),))
print(terms_digest(policy, {{"b": 1, "a": 2}}))
"""


def digest_in_a_process_of_its_own(hash_seed: int) -> str:
    environ = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    return subprocess.run(
        [sys.executable, "-c", _PRINT], env=environ, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_every_process_writes_the_same() -> None:
    policy = StockPolicy(by_sku=(SkuRule(SkuMatch(tags=frozenset(_TAGS)), StockRule(cap=7)),))
    ours = terms_digest(policy, {"a": 2, "b": 1})
    assert [digest_in_a_process_of_its_own(seed) for seed in (1, 2)] == [ours, ours]


def test_whatever_differs_gives_another_text() -> None:
    terms = terms_of(ChannelId(1), "shop", 1, plain_plan("all", 1, []))
    others = [
        replace(terms, hold=timedelta(minutes=31)),
        replace(terms, stock=StockRule(cap=3)),
        replace(terms, plan=plain_plan("all", 2, [])),
        replace(terms, tier="high"),
        replace(terms, dry_run=True),
    ]
    assert len({terms_digest(each) for each in (terms, *others)}) == len(others) + 1
    assert terms_digest(terms, StockPolicy()) != terms_digest(terms, StockPolicy(StockRule(cap=7)))
    assert terms_digest(replace(terms)) == terms_digest(terms)
