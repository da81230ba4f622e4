"""Exchange rates: what is told exactly, turned round and crossed exactly, and refused when it is no rate."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.rates import Rates
from core.errors import InvalidInput, UnreadableFile
from core.money.conversion import Conversion
from core.money.money import Money
from core.money.rate_files import read_rate_file
from core.money.rates import NewRate, conversions, inverse, parse_rate
from scheduler.rate_shapes import read_answer

AT = datetime(2026, 11, 20, 14, tzinfo=UTC)
parts = st.integers(1, 10**9)

ECB_XML = b"""<?xml version="1.0" encoding="UTF-8"?>
<gesmes:Envelope xmlns:gesmes="http://www.gesmes.org/xml/2002-08-01"
  xmlns="http://www.ecb.int/vocabulary/2002-08-01/eurofxref">
 <gesmes:subject>Reference rates</gesmes:subject>
 <Cube><Cube time='2026-11-20'>
  <Cube currency='USD' rate='1.0837'/><Cube currency='JPY' rate='163.21'/>
 </Cube></Cube>
</gesmes:Envelope>"""
ECB_CSV = b"Date, USD, JPY, ISK, \n20 November 2026, 1.0837, 163.21, N/A, \n"
ECB = Rates(url="https://rates.example.com/daily", format="ecb")
JSON = Rates(url="https://rates.example.com/x", format="json", base="EUR", path="data.rates", time_path="at")


def told(base: str, quote: str, numerator: int, denominator: int = 1, at: datetime = AT) -> Conversion:
    return Conversion(base, quote, numerator, denominator, "test", at)


def fraction(rate: Conversion) -> Fraction:
    return Fraction(rate.numerator, rate.denominator)


@given(parts, parts)
def test_turning_a_rate_round_twice_changes_nothing(numerator: int, denominator: int) -> None:
    rate = told("EUR", "USD", numerator, denominator)
    assert inverse(inverse(rate)) == rate
    assert fraction(rate) * fraction(inverse(rate)) == 1


@given(parts, parts, parts, parts)
def test_a_cross_is_the_exact_product_of_its_legs(a: int, b: int, c: int, d: int) -> None:
    legs = [told("EUR", "USD", a, b), told("EUR", "GBP", c, d, AT - timedelta(days=1))]
    cross = conversions(legs, [("USD", "GBP")], "EUR")["USD", "GBP"]
    assert fraction(cross) == Fraction(b, a) * Fraction(c, d)
    assert cross.at == AT - timedelta(days=1), "a cross is as old as its older leg"
    assert "through EUR" in cross.source


def test_the_later_of_a_rate_and_its_inverse_counts() -> None:
    known = [told("EUR", "USD", 2), told("USD", "EUR", 1, 4, AT + timedelta(hours=1))]
    assert fraction(conversions(known, [("EUR", "USD")], "EUR")["EUR", "USD"]) == 4
    assert fraction(conversions(known, [("USD", "EUR")], "EUR")["USD", "EUR"]) == Fraction(1, 4)


def test_what_nobody_told_is_not_guessed() -> None:
    known = [told("EUR", "USD", 2), told("CHF", "PLN", 4)]
    assert conversions(known, [("USD", "PLN"), ("EUR", "CHF")], "EUR") == {}


def test_two_steps_through_the_pivot_are_not_taken() -> None:
    known = [told("EUR", "USD", 2), told("USD", "JPY", 100)]
    assert conversions(known, [("EUR", "JPY")], "EUR") == {}


@given(st.decimals("0.000001", "999999", places=6))
def test_a_decimal_number_is_read_exactly(rate: object) -> None:
    assert parse_rate(str(rate)) == Fraction(str(rate))


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1,08", "", "1e7", "0.0000000000001", "1.0x"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="write a decimal number above zero"):
        parse_rate(text)


@pytest.mark.parametrize(("base", "quote"), [("EUR", "EUR"), ("eur", "USD"), ("EURO", "USD")])
def test_a_pair_is_two_different_currencies(base: str, quote: str) -> None:
    with pytest.raises(InvalidInput):
        NewRate(base, quote, Fraction(1), AT)


def test_the_ecbs_file_is_read_as_xml_and_as_csv() -> None:
    wanted = {("EUR", "USD", Fraction("1.0837")), ("EUR", "JPY", Fraction("163.21"))}
    for body in (ECB_XML, ECB_CSV):
        rates = read_answer(body, ECB, AT)
        assert {(rate.base, rate.quote, rate.rate) for rate in rates} == wanted
        assert {rate.at for rate in rates} == {AT}


def test_json_is_read_at_its_paths_and_never_as_floats() -> None:
    body = b'{"at": 1763647200, "data": {"rates": {"EUR": 1, "USD": 1.10000000001, "JPY": "163.21"}}}'
    rates = {rate.quote: rate for rate in read_answer(body, JSON, AT)}
    assert rates["USD"].rate == Fraction("1.10000000001")
    assert rates["JPY"].rate == Fraction("163.21")
    assert rates["USD"].at == datetime(2025, 11, 20, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "written", "complaint"),
    [
        (b"<a>", ECB, "not XML"),
        (b"<!DOCTYPE x [<!ENTITY a 'b'>]><x/>", ECB, "document type"),
        (b"<x/>", ECB, "no rates in it"),
        (b"hello", ECB, "neither the ECB's"),
        (b"Date, USD\nsoon, 1.1", ECB, "cannot be read"),
        (b"Date, USD\n2026-11-20, abc", ECB, "decimal number"),
        (b"\xff\xfe", ECB, "UTF-8"),
        (b"{", JSON, "not JSON"),
        (b'{"data": {}}', JSON, "nothing at data.rates"),
        (b'{"data": {"rates": [1]}}', JSON, "no object"),
        (b'{"data": {"rates": {"USD": 1}}}', JSON, "nothing at at"),
        (b'{"at": "soon", "data": {"rates": {"USD": 1}}}', JSON, "no moment"),
        (b'{"at": 1763647200, "data": {"rates": {"USD": -1}}}', JSON, "decimal number"),
    ],
)
def test_an_answer_that_is_not_as_it_should_be_is_refused(
    body: bytes, written: Rates, complaint: str
) -> None:
    with pytest.raises(UnreadableFile, match=complaint):
        read_answer(body, written, AT)


def test_a_file_of_rates_is_read_as_csv_and_as_toml(tmp_path: Path) -> None:
    csv_file, toml_file = tmp_path / "rates.csv", tmp_path / "rates.toml"
    csv_file.write_text("base,quote,rate,at\nEUR,USD,1.0837,2026-11-20T14:00:00Z\n")
    toml_file.write_text('[[rates]]\nbase = "EUR"\nquote = "USD"\nrate = 1.0837\nat = 2026-11-20T14:00:00Z\n')
    wanted = [NewRate("EUR", "USD", Fraction("1.0837"), AT)]
    assert read_rate_file(csv_file) == read_rate_file(toml_file) == wanted


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("r.csv", "base,quote,rate\nEUR,USD,1", "no column at"),
        ("r.csv", "base,quote,rate,at\n", "0 rates"),
        ("r.csv", "base,quote,rate,at\nEUR,USD,1,2026-11-20\nEUR,USD,x,2026-11-20", "line 3: rate 'x'"),
        ("r.csv", "base,quote,rate,at\nEUR,USD,1,yesterday", "line 2: write `at`"),
        ("r.toml", "rates = 1", r"\[\[rates\]\]"),
        ("r.toml", '[[rates]]\nbase = "EUR"', "rate 1: write exactly"),
        ("r.toml", "[[", "not TOML"),
    ],
)
def test_a_file_with_a_wrong_row_is_refused_by_its_place(
    tmp_path: Path, name: str, text: str, complaint: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    with pytest.raises(UnreadableFile, match=complaint):
        read_rate_file(file)


def test_an_amount_is_converted_between_currencies_of_other_minor_units() -> None:
    assert told("EUR", "JPY", 16321, 100).convert(Money(1000, "EUR")) == Money(1633, "JPY")
