"""The contract suite notices broken connectors: a mistake planted in a good one fails its test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.connectors.installed_package import python

OUTSIDE = Path(__file__).parent / "outside"

# What a hurried author might write: the line, what it becomes, and the test that must not pass.
MISTAKES = [
    (
        'raise CallbackRefused("the signature is not Harbour\'s")',
        "pass",
        "test_a_callback_signed_with_other_secrets_is_refused",
    ),
    (
        'raise CallbackRefused("the signature is not Harbour\'s")',
        "pass",
        "test_a_changed_body_is_refused",
    ),
    (
        'header.encode("utf-8", "surrogateescape")',
        "header.encode()",
        "test_arbitrary_requests_are_refused_and_nothing_else",
    ),
    (
        "except (ValidationError, InvalidInput):",
        "except InvalidInput:",
        "test_signed_nonsense_is_refused_and_nothing_else",
    ),
    (
        "DeliveryFound.DELIVERED if sale.codes else DeliveryFound.NOT_DELIVERED",
        "DeliveryFound.DELIVERED",
        "test_the_market_has_exactly_the_codes_delivered",
    ),
    (
        "if reply.status == 409 and",
        "if False and",
        "test_an_order_cancelled_meanwhile_is_refused",
    ),
    (
        'if reply.status == 409 and reply.read(Refusal).error != "has codes":',
        "if reply.status == 409:",
        "test_delivering_again_changes_nothing",
    ),
    (
        'path, safe=False, json={"codes": codes}, accept={409})',
        'path, safe=False, json={"codes": codes[1:]}, accept={409})',
        "test_the_market_has_exactly_the_codes_delivered",
    ),
    ("return OfferPage(shown, page.after)", "return OfferPage(shown, None)", "test_paging_lists_every"),
    ('"net_minor": offer.net_price.amount_minor', '"net_minor": offer.price.amount_minor', "is_observed"),
    ('"visible": offer.on', '"visible": True', "test_what_is_off_cannot_be_bought"),
    ("except ChannelRefused as error:", "except KeyError as error:", "test_an_unknown_listing_is_refused"),
    ("str(page.lines[-1].id)", "str(page.lines[0].id)", "test_payout_lines_resume_at_the_cursor"),
    (
        'title = "Harbour"',
        'title = "Harbour"\n    __repr__ = lambda self: self.options.key.get_secret_value()',
        "test_no_secret_is_told",
    ),
    (
        'return (await self._call("GET", "/me", safe=True)).read(Me).seller',
        'return "fine"',
        "test_wrong_credentials_are_named_so",
    ),
    (
        "return cls(account, read_options(account, HarbourOptions))",
        "return cls(account, HarbourOptions.model_construct(**account.options))",
        "test_an_unknown_option_is_refused_by_name",
    ),
]


@pytest.mark.parametrize(("line", "mistake", "noticed_by"), MISTAKES)
def test_a_planted_mistake_is_noticed(line: str, mistake: str, noticed_by: str, tmp_path: Path) -> None:
    package = tmp_path / "harbour"
    shutil.copytree(OUTSIDE, package, ignore=shutil.ignore_patterns("__pycache__"))
    connector = package / "harbour_connector.py"
    source = connector.read_text(encoding="utf-8")
    assert source.count(line) == 1, f"Harbour no longer holds {line!r}"
    connector.write_text(source.replace(line, mistake), encoding="utf-8")
    done = python(
        ["-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "-k", noticed_by, "harbour_contract.py"],
        path=package,
        folder=package,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert noticed_by in done.stdout
    assert "ERROR" not in done.stdout, done.stdout
