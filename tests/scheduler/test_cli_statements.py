"""`consignd statements` and `discrepancies` take a file in, match it, and settle what differs."""

from __future__ import annotations

from tests.scheduler.command_line import House, sell_one

MAPPING = """
currency = "EUR"
[columns]
booked_at = "Date"
amount = "Amount"
kind = "Type"
ref = "Ref"
order_ref = "Order"
[kinds]
Sale = "sale"
Commission = "fee"
Correction = "adjustment"
"""
ROWS = """Ref,Date,Type,Amount,Order
1,2026-11-20T10:00:00Z,Sale,20.00,1001
2,2026-11-20T10:00:00Z,Commission,-2.65,1001
3,2026-11-20T10:00:00Z,Correction,-0.50,
4,2026-11-20T10:00:00Z,Bribe,9.99,
"""


def test_a_file_is_imported_matched_and_what_differs_is_settled(house: House) -> None:
    sell_one(house)
    config = ("--config", str(house.folder / "shop.toml"))
    mapping, rows = house.file("mapping.toml", MAPPING), house.file("november.csv", ROWS)
    assert house.json(*config, "statements", "mappings", "save", "shop", mapping)["version"] == 1
    assert [row["name"] for row in house.json(*config, "statements", "mappings")["mappings"]] == ["shop"]
    assert '"order_ref":"Order"' in house.run(*config, "statements", "mappings", "show", "shop").stdout
    arguments = (*config, "statements", "import", rows, "--channel", "shop", "--mapping", "shop")
    tried = house.json(*arguments, "--dry-run")
    assert (tried["new"], tried["statement_id"], tried["matched"]) == (3, None, None)
    done = house.run(*arguments)
    assert "kept 3 new of 3 lines from 4 rows; 1 refused" in done.stdout
    assert "row 5, column Type: 'Bribe' is not among the mapping's kinds" in done.stderr
    assert "2 lines matched, 1 discrepancies opened" in done.stdout
    again = house.json(*arguments)
    assert (again["new"], again["matched"]["lines"]) == (0, 0)
    [statement] = house.json(*config, "statements", "list")["statements"]
    assert (statement["lines"], statement["total_minor"], statement["open_minor"]) == (3, 1685, -50)
    shown = house.json(*config, "statements", "show", str(statement["statement_id"]))
    assert [line["matched_minor"] for line in shown["lines"]] == [2000, -265, 0]
    table = house.run(*config, "statements", "show", str(statement["statement_id"])).stdout
    assert "discrepancy 1 (adjustment, open)" in table
    [open_one] = house.json(*config, "discrepancies")["discrepancies"]
    number = str(open_one["discrepancy_id"])
    assert house.run(*config, "discrepancies", "assign", number, "Ada", "--reason", "fees").exit_code == 0
    assert house.run(*config, "discrepancies", "note", number, "--reason", "asked them").exit_code == 0
    settled = house.json(*config, "discrepancies", "resolve", number, "--as", "fee", "--reason", "campaign")
    assert settled == {"discrepancy_id": 1, "settled_minor": -50, "currency": "EUR"}
    assert house.json(*config, "discrepancies", "list")["discrepancies"] == []
    events = house.json(*config, "discrepancies", "show", number)["events"]
    told = [(event["what"], event["amount_minor"]) for event in events]
    assert told == [("assigned", 0), ("noted", 0), ("fee", -50)]
    figures = house.json(*config, "channels", "figures")["channels"]
    assert [(row["turnover_minor"], row["fees_minor"], row["deliveries"]) for row in figures] == [
        (2000, 315, 1)
    ]
    assert house.run(*config, "check").exit_code == 0


def test_what_is_not_known_is_said(house: House) -> None:
    for arguments, told in (
        (("statements", "show", "9"), "statement 9 is not known"),
        (("statements", "match", "--channel", "nowhere"), "channel 'nowhere' is not known"),
        (("discrepancies", "show", "9"), "discrepancy 9 is not known"),
        (("statements", "mappings", "show", "gone"), "mapping 'gone' is not known"),
    ):
        result = house.run(*arguments)
        assert result.exit_code == 2
        assert told in result.stderr
    assert house.run("discrepancies", "resolve", "1", "--reason", "x").exit_code == 2
    broken = house.file("broken.toml", "currency = ")
    assert "is no TOML" in house.run("statements", "mappings", "save", "x", broken).stderr
    house.file("wrong.toml", 'currency = "EUR"')
    assert "columns" in house.run("statements", "mappings", "save", "x", "wrong.toml").stderr
