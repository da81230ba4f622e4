"""Tests that operators issue, find, show and take back coupons, and read what a campaign brought."""

from __future__ import annotations

import asyncio
import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

from config.settings import Settings
from core.buyers.buyers import known_buyers
from core.coupons.writing import read_code
from core.db.pool import Pool, open_pool
from core.types import ChannelId
from scheduler.composition import open_channels, open_core
from tests.coupons.selling import Scene
from tests.scheduler.command_line import SHOP, House

SERIES = """
[segments.all]
orders_from = 0

[segments.none]
orders_from = 99

[coupons.spring]
kind = "percent"
percent = 10
currency = "EUR"
valid_days = 30
budget = "100"
remind_days = [7]
"""


def configured(house: House, *refs: str) -> str:
    """A shop with these buyers; its settings."""
    config = house.file("shop.toml", SHOP + SERIES)

    async def meet() -> None:
        settings = Settings.load(Path(config), house.environ)
        async with open_core(settings) as core, open_channels(core) as channels, core.pool.acquire() as conn:
            channel_id = ChannelId(channels.by_name["shop"].terms.channel_id)
            await known_buyers(conn, [(channel_id, ref) for ref in refs], datetime.now(UTC))

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(meet())
    return config


def test_coupons_are_issued_exported_once_and_listed_under_masks(house: House) -> None:
    config, file = configured(house), str(house.folder / "codes.csv")
    told = house.json(
        "--config", config, "coupons", "issue", "spring", "--count", "3", "--file", file, "--reason", "fair"
    )
    assert (told["issue"]["issued"], told["exported"]) == (3, 3)
    assert Path(file).stat().st_mode & 0o777 == 0o600
    with Path(file).open(encoding="utf-8", newline="") as rows:
        codes = [row["code"] for row in csv.DictReader(rows)]
    assert [read_code(code) for code in codes] == codes
    listed = house.run("--config", config, "coupons")
    assert listed.exit_code == 0
    assert not [code for code in codes if code in listed.output]
    assert all(code[-3:] in listed.output for code in codes)
    again = ("--config", config, "coupons", "export", "1", "--file")
    assert house.run(*again, file).exit_code == 2
    refused = house.run(*again, str(house.folder / "more.csv"))
    assert refused.exit_code == 6
    assert "exported it" in refused.output
    assert not (house.folder / "more.csv").exists()
    (issue,) = house.json("--config", config, "coupons", "issues")["issues"]
    assert (issue["wanted"], issue["issued"], issue["reason"]) == (3, 3, "fair")
    (series,) = house.json("--config", config, "coupons", "series")["series"]
    assert (series["issued"], series["used"], series["marginal_cost_minor"]) == (3, 0, 0)
    assert "100.00 EUR" in house.run("--config", config, "coupons", "series").output


def test_a_segments_buyers_get_one_each_and_nobody_two_for_going_on(house: House) -> None:
    config = configured(house, "anna", "ben")
    issue = ("--config", config, "coupons", "issue", "spring", "--reason", "thanks")
    first = house.json(*issue, "--segment", "all")
    assert first["issue"]["issued"] == 2
    number = str(first["issue"]["issue_id"])
    assert house.json(*issue, "--segment", "all", "--go-on", number)["issue"]["issued"] == 2
    own = house.json("--config", config, "coupons", "list", "--buyer", "shop/anna")["coupons"]
    assert [(each["buyer"], each["state"]) for each in own] == [("shop/anna", "open")]
    for wrong, said in (
        (("--segment", "gold"), "no segment is named gold"),
        (("--segment", "none"), "nobody belongs"),
        ((), "say for whom"),
        (("--count", "1", "--segment", "all"), "say for whom"),
    ):
        refused = house.run(*issue, *wrong)
        assert refused.exit_code == 2
        assert said in refused.output


def test_one_is_given_shown_and_taken_back_with_a_reason(house: House) -> None:
    config = configured(house, "anna")
    reason = ("--reason", "a late delivery")
    given = house.json("--config", config, "coupons", "give", "spring", "shop/anna", *reason)
    number = str(given["coupon_id"])
    assert house.json("--config", config, "coupons", "reveal", number, *reason)["code"] == given["code"]
    for said in ("is taken back", "was taken back before"):
        assert said in house.run("--config", config, "coupons", "revoke", number, *reason).output
    shown = house.json("--config", config, "coupons", "show", number)
    assert (shown["coupon"]["state"], shown["steps"]) == ("revoked", [])
    assert "revoked" in house.run("--config", config, "coupons", "show", number).output
    for wrong in (("give", "winter", "shop/anna"), ("give", "spring", "shop/nobody"), ("reveal", "404")):
        assert house.run("--config", config, "coupons", *wrong, *reason).exit_code == 2
    assert house.run("--config", config, "coupons", "show", "404").exit_code == 2
    for move in ("release", "give-back"):
        refused = house.run("--config", config, "coupons", move, "shop", "b-1", *reason)
        assert refused.exit_code == 2
        assert "no coupon was ever held" in refused.output
    assert house.json("--config", config, "coupons", "reminders") == {"reminders": [], "next_after": 0}


def test_a_campaigns_report_is_a_table_json_and_a_picture(house: House) -> None:
    config = configured(house)
    start = datetime.now(UTC) - timedelta(days=20)

    async def sell() -> None:
        pool: Pool = await open_pool(house.dsn, application_name="test")
        try:
            scene = await Scene.open(pool)
            await scene.campaign("spring", start, 10)
            await scene.sell(start - timedelta(days=1), 1000, "anna")
            order_id = await scene.sell(start + timedelta(days=1), 3000, "anna")
            await scene.grant("spring", order_id, 300, start + timedelta(days=1))
            # Nothing is opened here, but a key that is not at hand would be asked for.
            known = "(SELECT key_id FROM sealing_key WHERE key_id <> 'test')"
            await pool.execute(f"UPDATE batch SET key_id = {known}")
        finally:
            pool.terminate()

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(sell())
    chart = house.folder / "chart.svg"
    told = house.run("--config", config, "campaigns", "report", "spring", "--chart", str(chart))
    assert told.exit_code == 0, told.output
    for text in ("20.00 EUR", "cost: 3.00 EUR", "100.0 % (1 of 1)", "thin"):
        assert text in told.output
    assert chart.read_text().startswith("<svg")
    fields = house.json("--config", config, "campaigns", "report", "spring")
    assert (fields["cost_minor"], fields["extra_turnover_minor"], fields["extra_margin_minor"]) == (
        300,
        2000,
        2000,
    )
    assert len(fields["days"]) == 11
    assert house.run("--config", config, "campaigns", "report", "winter").exit_code == 2
