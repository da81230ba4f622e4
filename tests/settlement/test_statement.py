"""A statement says what the ledger says, in every form, and what became of every code, none in clear."""

from __future__ import annotations

import csv
import io
import re
from datetime import datetime
from fractions import Fraction
from html.parser import HTMLParser

import pytest
from openpyxl import load_workbook
from pypdf import PdfReader

from core.db.pool import Pool
from core.errors import SettlementFixed, UnknownSettlement
from core.money.money import Money
from core.money.rates import NewRate, add_rates
from core.money.settlement.fates import Fate
from core.money.settlement.paper.writing import Form, statement_parts
from core.money.settlement.statement import Part, masked, open_statement
from core.money.settlement.terms import Payee, PayeeTerms
from tests.factories import NOW
from tests.journal.books import tamper
from tests.settlement.house import (
    ADA,
    BOB,
    CHIEF,
    DAY,
    HOUR,
    balance,
    desk,
    draw,
    drawn_id,
    owe,
    owe_in,
    settle,
    terms,
    tie,
)
from tests.settlement.selling import FATES, REFUNDS_MINOR, SALES_MINOR, sell_all_ways


class Tables(HTMLParser):
    """The cells of a page's tables, by the tables' ids."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: dict[str, list[list[str]]] = {}
        self._table: list[list[str]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._table = self.rows.setdefault(str(dict(attrs)["id"]), [])
        elif tag == "tr":
            self._table.append([])
        elif tag in ("td", "th"):
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th") and self._cell is not None:
            self._table[-1].append("".join(self._cell))
            self._cell = None

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)


async def written(pool: Pool, number: int, form: Form) -> bytes:
    return b"".join([part async for part in statement_parts(pool, number, form)])


def minor(text: str) -> int:
    return int(text.split(" ")[0].replace(".", ""))


async def trade_and_draw(pool: Pool, language: str = "en", payee: Payee = ADA) -> int:
    await sell_all_ways(pool, NOW - DAY)
    wanted = terms(PayeeTerms(approvals=1, language=language))
    return await drawn_id(pool, payee, wanted)


async def test_it_leads_from_the_opening_to_the_closing_balance_of_the_ledger(pool: Pool) -> None:
    await owe(pool, ADA, 100, at=NOW - 5 * DAY)
    first = await drawn_id(pool)
    await settle(pool, first)
    await sell_all_ways(pool, NOW - DAY)
    await desk(pool, now=NOW - HOUR).correct(first, Money(-50, "EUR"), actor=CHIEF, reason="a fee")
    number = await drawn_id(pool)
    async with open_statement(pool, number) as reader:
        statement = reader.statement
    assert {each.part: each.amount_minor for each in statement.movements} == {
        Part.OPENING: 100,
        Part.PAID: -100,
        Part.SALES: SALES_MINOR,
        Part.FEES: 0,
        Part.REFUNDS: REFUNDS_MINOR,
        Part.CORRECTIONS: -50,
        Part.CLOSING: SALES_MINOR + REFUNDS_MINOR - 50,
    }
    assert await balance(pool, ADA) == SALES_MINOR + REFUNDS_MINOR - 50
    await settle(pool, number)
    async with open_statement(pool, number) as reader:
        assert reader.statement.after_payment_minor == await balance(pool, ADA) == 0
    await tie(pool)


async def test_every_code_has_one_fate_and_the_counts_tie(pool: Pool) -> None:
    number = await trade_and_draw(pool)
    async with open_statement(pool, number) as reader:
        batches = reader.statement.batches
        codes = [code async for code in reader.codes()]
    counted = {fate: sum(batch.counts[fate] for batch in batches) for fate in Fate}
    assert counted == FATES
    assert sum(batch.received for batch in batches) == sum(FATES.values()) == len(codes)
    assert {fate: sum(code.fate is fate for code in codes) for fate in Fate} == FATES
    shares = [code.share.amount_minor for code in codes if code.share is not None]
    # Two sold, and the bad one, whose sale stands.
    assert shares == [1662, 1662, 1662]


async def test_a_fate_is_told_as_of_the_end_and_not_again_later(pool: Pool) -> None:
    number = await trade_and_draw(pool)
    await settle(pool, number)
    await owe(pool, ADA, 100, at=NOW)
    later = NOW + DAY
    from_later = await drawn_later(pool, later)
    async with open_statement(pool, from_later) as reader:
        fates = [code.fate async for code in reader.codes()]
        batches = reader.statement.batches
    assert sorted(fates) == [Fate.IN_STOCK, Fate.ON_ORDER]
    assert {fate: sum(batch.counts[fate] for batch in batches) for fate in Fate} == FATES
    async with open_statement(pool, number) as reader:
        assert reader.statement.codes == sum(FATES.values())


async def test_all_forms_say_the_same_and_show_no_code(pool: Pool) -> None:
    number = await trade_and_draw(pool)
    await settle(pool, number)
    expected = {
        "Opening balance": 0,
        "Sales, your share": SALES_MINOR,
        "Refunds": REFUNDS_MINOR,
        "Closing balance": SALES_MINOR + REFUNDS_MINOR,
        "To be paid": SALES_MINOR + REFUNDS_MINOR,
        "Balance after payment": 0,
    }
    tables = await in_all_forms(pool, number)
    for form, (pairs, lines, codes) in tables.items():
        assert {name: minor(pairs[name]) for name in expected} == expected, form
        assert pairs["Reference"] == "SEPA 1", form
        assert sum(minor(row[8]) for row in lines) == SALES_MINOR + REFUNDS_MINOR, form
        assert len(lines) == 4, form
        told = [row[5] for row in codes]
        assert {fate: told.count(word) for fate, word in WORDS_OF.items()} == FATES, form
    fingerprints = await pool.fetch(
        "SELECT encode(fingerprint, 'hex') AS f FROM code WHERE fingerprint IS NOT NULL"
    )
    for form in Form:
        raw = await written(pool, number, form)
        assert not [row for row in fingerprints if row["f"].encode() in raw]
        assert b"MARKET-0001-SOLD" not in raw


WORDS_OF = {fate: fate.value for fate in Fate} | {Fate.GIVEN: "given as replacement"}
Told = tuple[dict[str, str], list[list[str]], list[list[str]]]


async def in_all_forms(pool: Pool, number: int) -> dict[Form, Told]:
    """Pairs, lines and codes, as each form that has tables tells them."""
    page = Tables()
    page.feed((await written(pool, number, Form.HTML)).decode())
    pairs = {row[0]: row[1] for name in ("facts", "balance", "payment") for row in page.rows[name]}
    found: dict[Form, Told] = {Form.HTML: (pairs, page.rows["lines"][1:], page.rows["codes"][1:])}
    text = (await written(pool, number, Form.CSV)).decode("utf-8-sig")
    blocks: dict[str, list[list[str]]] = {}
    rows: list[list[str]] = []
    for row in csv.reader(io.StringIO(text)):
        if len(row) == 1 and row[0] in ("Balance", "Entries", "Your codes", "Your codes by batch"):
            rows = blocks.setdefault(row[0], [])
        elif row:
            rows.append(row)
    balance_rows = {row[0]: row[1] for row in blocks["Balance"][1:]}
    found[Form.CSV] = (balance_rows, blocks["Entries"][1:], blocks["Your codes"][1:])
    book = load_workbook(io.BytesIO(await written(pool, number, Form.XLSX)), read_only=True)
    sheets = {
        sheet.title: [[str(cell or "") for cell in row] for row in sheet.iter_rows(values_only=True)]
        for sheet in book.worksheets
    }
    book_pairs = {row[0]: row[1] for row in sheets["Balance"][1:]}
    found[Form.XLSX] = (book_pairs, sheets["Entries"][1:], sheets["Your codes"][1:])
    return found


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ["Settlement", "Closing balance", "given as replacement", "consignor/Ada"]),
        ("zh", ["结算单", "期末余额", "补发", "consignor/Ada", "卡密明细"]),
    ],
)
async def test_the_pdf_reads_as_the_statement_says_in_both_languages(
    pool: Pool, language: str, words: list[str]
) -> None:
    number = await trade_and_draw(pool, language)
    reader = PdfReader(io.BytesIO(await written(pool, number, Form.PDF)))
    text = re.sub(r"\s+", " ", " ".join(page.extract_text() for page in reader.pages))
    for word in [*words, "66.48 EUR", "-16.62 EUR", "49.86 EUR"]:
        assert word in text, word
    page = (await written(pool, number, Form.HTML)).decode()
    assert f'<html lang="{language}">' in page
    assert all(word in page for word in words)


@pytest.mark.parametrize("form", list(Form))
async def test_the_same_settlement_gives_the_same_bytes(pool: Pool, form: Form) -> None:
    number = await trade_and_draw(pool)
    assert await written(pool, number, form) == await written(pool, number, form)


async def test_long_statements_are_whole_in_sheets_and_short_on_paper(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        for number in range(1, 1203):
            await owe_in(conn, BOB, number)
    number = await drawn_id(pool, BOB)
    whole = (await written(pool, number, Form.CSV)).decode("utf-8-sig")
    assert whole.count(",correction,") == 1202
    paper = PdfReader(io.BytesIO(await written(pool, number, Form.PDF)))
    text = " ".join(page.extract_text() for page in paper.pages)
    assert "The first 500 of 1202" in re.sub(r"\s+", " ", text)
    book = load_workbook(io.BytesIO(await written(pool, number, Form.XLSX)), read_only=True)
    assert sum(1 for _ in book["Entries"].iter_rows()) == 1203


async def test_another_currency_shows_rate_source_and_time(pool: Pool) -> None:
    wanted = terms(PayeeTerms(approvals=1, paid_in="USD"))
    await told_rate(pool)
    await owe(pool, BOB, 10000)
    number = await drawn_id(pool, BOB, wanted)
    await settle(pool, number, wanted)
    page = (await written(pool, number, Form.HTML)).decode()
    assert "1 EUR = 1.083700 USD, from bank, 2026-11-21 12:00" in page
    assert "108.37 USD" in page


async def told_rate(pool: Pool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        rate = NewRate("EUR", "USD", Fraction("1.0837"), NOW)
        await add_rates(conn, [rate], source="bank", actor="test", now=NOW)


async def drawn_later(pool: Pool, later: datetime) -> int:
    [drawn] = await draw(pool, ADA, until=later, now=later)
    assert drawn.settlement_id is not None
    return drawn.settlement_id


async def test_no_cell_is_a_formula_whatever_people_write(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    first = await drawn_id(pool)
    evil = '=HYPERLINK("http://x","y")'
    await desk(pool, now=NOW - HOUR).correct(first, Money(5, "EUR"), actor=CHIEF, reason=evil)
    name = Payee("party", "=1+1")
    await owe(pool, name, 5)
    second = await drawn_id(pool, name)
    rows = list(csv.reader(io.StringIO((await written(pool, second, Form.CSV)).decode("utf-8-sig"))))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "@"))]
    page = (await written(pool, await drawn_id(pool), Form.HTML)).decode()
    assert "corrects settlement" in page
    assert evil not in page


async def test_one_that_was_withdrawn_or_is_not_known_has_no_statement(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool)
    await desk(pool).withdraw(number, actor=CHIEF, reason="oh")
    with pytest.raises(SettlementFixed, match="the next one"):
        await written(pool, number, Form.CSV)
    with pytest.raises(UnknownSettlement):
        await written(pool, 999, Form.PDF)


async def test_a_statement_that_does_not_tie_is_told_to_nobody(pool: Pool) -> None:
    await owe(pool, ADA, 1000)
    number = await drawn_id(pool)
    await tamper(pool, "UPDATE entry SET amount_minor = amount_minor + sign(amount_minor)::int")
    with pytest.raises(AssertionError, match="not what the ledger has"):
        await written(pool, number, Form.HTML)


@pytest.mark.parametrize(
    ("ref", "shown"), [("MARKET-0001", "…0001"), ("123456", "…456"), ("ab", "…b"), ("", ""), (None, "")]
)
def test_references_are_masked_but_for_their_end(ref: str | None, shown: str) -> None:
    assert masked(ref) == shown
