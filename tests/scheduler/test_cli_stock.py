"""Proves the commands about codes, stock, orders, channels, money and keys on a real database."""

from __future__ import annotations

import csv
import json

from scheduler.cli.exits import Exit
from tests.scheduler.command_line import SHOP, SHOP_SECRETS, House, sell_one


def import_file(house: House, text: str, *more: str) -> dict[str, object]:
    path = house.file("codes.csv", text)
    answer: dict[str, object] = house.json("import", path, "--sku", "CARD-20", "--consignor", "Kaart", *more)
    return answer


def test_an_import_prints_exactly_the_promised_keys(house: House) -> None:
    answer = import_file(
        house, "secret\nAAAA-1111\nBBBB-2222\nAAAA-1111\n", "--unit-cost", "9.50", "--currency", "EUR"
    )
    assert list(answer) == ["batch_id", "read", "imported", "refused", "seconds"]
    assert isinstance(answer["batch_id"], int)
    assert (answer["read"], answer["imported"]) == (3, 2)
    assert answer["refused"] == {"duplicate_in_file": 1}
    (sku,) = house.json("stock")["skus"]
    assert (sku["sku_ref"], sku["counts"]["available"]) == ("CARD-20", 2)


def test_importing_the_same_file_again_is_harmless(house: House) -> None:
    import_file(house, "secret\nAAAA-1111\n")
    again = import_file(house, "secret\nAAAA-1111\n")
    assert (again["batch_id"], again["imported"], again["refused"]) == (None, 0, {"already_known": 1})


def test_a_dry_run_adds_nothing(house: House) -> None:
    answer = import_file(house, "secret\nAAAA-1111\nAAAA-1111\n", "--dry-run")
    assert (answer["batch_id"], answer["imported"]) == (None, 1)
    assert house.json("stock")["skus"] == []


def test_new_names_are_told_and_an_unreadable_file_adds_none(house: House) -> None:
    path = house.folder / "codes.txt"
    path.write_bytes(b"x\0y")
    result = house.run("import", str(path), "--sku", "CARD-20", "--consignor", "Kaart")
    assert result.exit_code == Exit.USAGE
    assert house.json("stock")["skus"] == []
    path.write_text("AAAA-1111\n")
    told = house.run("import", str(path), "--sku", "CARD-20", "--consignor", "Kaart").stderr
    assert "SKU CARD-20 is new" in told
    assert "consignor Kaart is new" in told


def test_refused_rows_are_told_by_number_fifty_at_most_and_all_in_the_report(house: House) -> None:
    rows = "secret\n" + "AAAA-1111\n" * 1201
    report = house.folder / "refused.csv"
    path = house.file("codes.csv", rows)
    result = house.run(
        "import", path, "--sku", "CARD-20", "--consignor", "Kaart", "--json", "--report", str(report)
    )
    assert result.exit_code == 0
    assert json.loads(result.stdout)["refused"] == {"duplicate_in_file": 1200}
    assert sum(line.startswith("row ") for line in result.stderr.splitlines()) == 50
    assert "and 1150 more refused rows" in result.stderr
    with report.open(newline="") as file:
        written = list(csv.reader(file))
    assert written[0] == ["row", "reason", "detail"]
    assert len(written) == 1201
    assert written[-1][:2] == ["1202", "duplicate_in_file"]
    assert "AAAA" not in result.output + report.read_text()


def test_a_consignors_priority_holds_for_later_imports(house: House) -> None:
    import_file(house, "secret\nAAAA-1111\n", "--priority", "7")
    import_file(house, "secret\nBBBB-2222\n", "--expires", "2099-12-31")
    shelves = house.json("stock", "show", "CARD-20")["shelves"]
    assert [(shelf["priority"], shelf["free"]) for shelf in shelves] == [(7, 1), (7, 1)]
    assert shelves[0]["expires_at"].startswith("2099-12-31T23:59:59")


def test_a_cost_without_a_currency_is_refused(house: House) -> None:
    path = house.file("codes.txt", "AAAA-1111\n")
    result = house.run("import", path, "--sku", "S", "--consignor", "K", "--unit-cost", "9.50")
    assert result.exit_code == Exit.USAGE
    assert "--currency EUR" in result.stderr


def test_a_sku_is_added_priced_and_shown(house: House) -> None:
    added = house.json(
        "stock", "add", "CARD-20", "--title", "Card 20", "--face-value", "20", "--base-price", "18.5",
        "--currency", "EUR",
    )  # fmt: skip
    assert (added["sku_ref"], added["title"]) == ("CARD-20", "Card 20")
    assert house.json("stock", "price", "CARD-20", "17.25", "EUR") == {
        "sku_ref": "CARD-20",
        "currency": "EUR",
        "base_price_minor": 1725,
    }
    shown = house.json("stock", "show", "CARD-20")["sku"]
    assert (shown["face_value_minor"], shown["face_currency"]) == (2000, "EUR")
    assert shown["base_prices"] == [{"currency": "EUR", "base_price_minor": 1725}]
    assert house.run("stock", "price", "CARD-20", "1.005", "EUR").exit_code == Exit.USAGE
    assert "17.25 EUR" in house.run("stock", "--text", "card").stdout


def test_unsold_codes_are_withdrawn_until_none_are_left(house: House) -> None:
    import_file(house, "secret\n" + "".join(f"CODE-{n:05}\n" for n in range(30)))
    ask = ("stock", "withdraw", "CARD-20", "--consignor", "Kaart", "--reason", "asked for them back")
    some = house.json(*ask, "--quantity", "10")
    assert (some["withdrawn"], len(some["places"])) == (10, 10)
    assert house.json(*ask)["withdrawn"] == 20
    result = house.run(*ask)
    assert result.exit_code == Exit.CONFLICT
    assert house.json("stock")["skus"][0]["counts"]["withdrawn"] == 30


def test_a_code_is_traced_revealed_with_a_reason_and_quarantined_once(house: House) -> None:
    import_file(house, "number,secret,pin\n4711,SSSS-9999,12\n")
    shelf = house.json("stock", "show", "CARD-20")["shelves"][0]
    place = f"{shelf['lane']}.{shelf['shelf_id']}.1"
    revealed = house.json("codes", "reveal", place, "--reason", "the buyer cannot read it")
    assert revealed == {"place": place, "kind": "text", "number": "4711", "secret": "SSSS-9999", "pin": "12"}
    assert house.run("codes", "reveal", place, "--reason", "  ").exit_code == Exit.USAGE
    quarantine = ("codes", "quarantine", place, "--reason", "scratched open")
    assert house.json(*quarantine) == {"place": place, "quarantined": True}
    assert house.run(*quarantine).exit_code == Exit.CONFLICT
    story = house.json("codes", "trace", place)
    assert story["standings"][0]["departed"]["kind"] == "quarantined"
    assert [seen["reason"] for seen in story["reveals"]] == ["the buyer cannot read it"]
    told = house.run("codes", "trace", place)
    assert "SSSS" not in told.output + json.dumps(story)


def test_an_order_is_listed_shown_explained_and_its_bad_code_replaced(house: House) -> None:
    order_id = sell_one(house)
    (listed,) = house.json("orders", "--state", "delivered", "--channel", "shop")["orders"]
    assert (listed["order_id"], listed["order_ref"], listed["gross_minor"]) == (order_id, "1001", 2000)
    assert house.json("orders", "--state", "parked") == {"orders": [], "next_before": None}
    (code,) = house.json("orders", "show", "shop/1001")["codes"]
    explained = house.json("ledger", "explain", str(order_id))
    assert explained["lines"][0]["agrees"] is True
    assert sum(entry["amount_minor"] for entry in explained["journal"]) == 0
    assert {row["currency"] for row in house.json("ledger", "balances")["balances"]} == {"EUR"}
    replace = ("orders", "replace", "1001", code["place"], "--reason", "redeemed before")
    answer = house.json(*replace)
    assert (answer["order_id"], answer["bad"]) == (order_id, code["place"])
    assert answer["place"] != code["place"]
    assert house.run(*replace).exit_code == Exit.CONFLICT
    for command in (
        ["orders"],
        ["orders", "show", "1001"],
        ["ledger", "explain", "1001"],
        ["ledger", "balances"],
    ):
        result = house.run(*command)
        assert result.exit_code == 0
        assert "SOLD-" not in result.output
    assert house.json("check")["ok"] is True


def test_an_order_nobody_knows_is_refused(house: House) -> None:
    for written in ("99", "shop/99", "no such"):
        result = house.run("orders", "show", written, "--json")
        assert (result.exit_code, result.stdout) == (Exit.USAGE, "")
        assert "`consignd orders` lists them" in result.stderr


def test_a_channel_is_linked_before_its_first_run_paused_and_resumed(house: House) -> None:
    config = house.file("shop.toml", SHOP)
    waiting = house.json("--config", config, "channels")
    assert waiting["channels"] == []
    assert waiting["not_started"] == [
        {"name": "shop", "connector": "woocommerce", "currency": "EUR", "enabled": True}
    ]
    house.json("stock", "add", "CARD-20")
    assert house.run("stock", "link", "shop", "77", "CARD-20").exit_code == Exit.USAGE
    linked = house.json("--config", config, "stock", "link", "shop", "77", "CARD-20")
    assert (linked["channel"], linked["listing_ref"], linked["sku_ref"]) == ("shop", "77", "CARD-20")
    assert house.json("channels", "pause", "shop", "--reason", "prices look odd")["paused"] is True
    (paused,) = house.json("channels", "list")["channels"]
    assert paused["paused_reason"] == "prices look odd"
    assert "prices look odd" in house.run("--config", config, "channels").stdout
    assert house.json("channels", "resume", "shop") == {"channel": "shop", "paused": False}
    assert house.run("channels", "pause", "nowhere", "--reason", "x").exit_code == Exit.USAGE
    assert house.run("--config", config, "stock", "show", "CARD-20").exit_code == 0


def test_sync_now_marks_the_offers_and_says_that_no_daemon_answers(house: House) -> None:
    sell_one(house)
    config = house.file("shop.toml", SHOP + "\n[web]\nport = 9\n[[api.tokens]]\nname = 'me'\nrole = 'admin'\n"
                        "token = 'T0kenT0kenT0kenT0ken'\n")  # fmt: skip
    result = house.run("--config", config, "sync", "now", "shop", "--json")
    (row,) = json.loads(result.stdout)["channels"]
    assert (row["channel"], row["offers_marked"], row["daemon_asked"]) == ("shop", True, False)
    (listing,) = house.json("stock", "show", "CARD-20")["listings"]
    assert listing["dirty"] is True
    assert house.run("--config", config, "sync", "now", "nowhere").exit_code == Exit.USAGE
    for secret in (*SHOP_SECRETS, "T0kenT0ken"):
        assert secret not in result.output


def test_keys_rotate_moves_everything_to_a_fresh_key(house: House) -> None:
    import_file(house, "secret\nAAAA-1111\n")
    (old,) = house.json("keys", "list")["keys"]
    assert (old["current"], old["at_hand"], old["batches"], old["fingerprint"]) == (True, True, 1, True)
    rotation = house.json("keys", "rotate")
    assert (rotation["rewrapped"], rotation["already"]) == (1, 0)
    assert rotation["retired"] == [old["key_id"]]
    finished = house.json("keys", "rotate", "--finish")
    assert (finished["current"], finished["rewrapped"], finished["already"]) == (rotation["current"], 0, 1)
    shelf = house.json("stock", "show", "CARD-20")["shelves"][0]
    place = f"{shelf['lane']}.{shelf['shelf_id']}.1"
    assert house.json("codes", "reveal", place, "--reason", "after rotation")["secret"] == "AAAA-1111"
    keys = (house.folder / "data" / "sealing-keys").read_text().splitlines()
    secrets = [line.split()[1] for line in keys if not line.startswith("#")]
    told = house.run("keys", "list").output
    assert len(secrets) == 2
    assert not any(secret in told for secret in secrets)
