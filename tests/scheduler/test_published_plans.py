"""Split plans that people publish: by command, by whom and why, and taken up by running daemons."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from config.problems import SettingsRefused
from config.settings import Settings
from core.money.published import publish_by_hand
from scheduler.composition import Core, open_channels, open_core, utc_now
from scheduler.daemon import Daemon
from scheduler.plan_watch import PlanWatch
from scheduler.split_plans import draft_plan, publishable
from tests.e2e.house import until
from tests.scheduler.command_line import SHOP, House

OURS = "[splits.ours]\npublished = true\n\n[web]\nport = 0\n"
OWN_PLAN = SHOP.replace("[channels.shop]", '[channels.shop]\nsplit = "ours"') + OURS
PLAN = """
name = "whatever"
{money}
[[rules]]
name = "commission"
party = "channel"
rate_percent = "{percent}"

[[rules]]
name = "rest"
party = "consignor"
rest = true
"""
REASON = ("--reason", "agreed with the shop")


def plan(house: House, percent: str, money: str = "") -> str:
    return house.file("plan.toml", PLAN.format(percent=percent, money=money))


@pytest.fixture
def config(house: House) -> tuple[str, str]:
    return "--config", house.file("shop.toml", OWN_PLAN)


def settings_of(house: House) -> Settings:
    return Settings.load(house.folder / "shop.toml", house.environ)


def test_a_plan_is_published_version_by_version_with_a_reason(house: House, config: tuple[str, str]) -> None:
    assert house.json(*config, "splits", "published")["plans"] == [
        {"name": "ours", "version": None, "rules": []}
    ]
    publish = (*config, "splits", "publish", "ours")
    assert house.json(*publish, plan(house, "10"), *REASON)["version"] == 1
    assert house.json(*publish, plan(house, "10"), *REASON)["version"] == 1, "it is the same"
    assert house.json(*publish, plan(house, "11"), *REASON)["version"] == 2
    assert house.json(*config, "splits", "published")["plans"] == [
        {"name": "ours", "version": 2, "rules": ["commission", "rest"]}
    ]
    without = house.run(*publish, plan(house, "12"))
    assert (without.exit_code, "--reason" in without.stderr) == (2, True)


@pytest.mark.parametrize(
    ("name", "percent", "money", "said"),
    [
        ("theirs", "10", "", "published = true"),
        ("ours", "10", 'currency = "USD"\nlargest = "100.00"', "its amounts are in USD"),
        ("ours", "101", "", "commission"),
    ],
)
def test_what_cannot_split_the_channels_sales_is_not_published(
    house: House, config: tuple[str, str], name: str, percent: str, money: str, said: str
) -> None:
    refused = house.run(*config, "splits", "publish", name, plan(house, percent, money), *REASON)
    assert refused.exit_code != 0
    assert said in refused.stderr
    assert house.json(*config, "splits", "published")["plans"][0]["version"] is None


def test_plans_ask_for_segments_that_there_are(house: House, config: tuple[str, str]) -> None:
    written = PLAN.format(percent="10", money="")
    path = house.file("asking.toml", written.replace("rate_", 'when = { segments = ["vip"] }\nrate_'))
    refused = house.run(*config, "splits", "publish", "ours", path, *REASON)
    assert refused.exit_code != 0
    assert "rule commission of split plan ours asks for the segment vip" in refused.stderr

    with_file = OWN_PLAN.replace("published = true", 'file = "asking.toml"')
    refused = house.run("config", "check", house.file("file.toml", with_file))
    assert "asking.toml:4" in refused.stderr
    assert "no segment is named vip: write [segments.vip]" in refused.stderr

    vip = "[segments.vip]\norders_from = 5\n"
    assert house.run("config", "check", house.file("file.toml", with_file + vip)).exit_code == 0
    config = ("--config", house.file("shop.toml", OWN_PLAN + vip))
    assert house.json(*config, "splits", "publish", "ours", path, *REASON)["version"] == 1


async def test_a_segment_that_is_gone_since_is_told_and_the_channel_sells_on(house: House) -> None:
    written = PLAN.format(percent="10", money="").replace("rate_", 'when = { segments = ["vip"] }\nrate_')
    draft = draft_plan(written)
    assert draft.plan is not None
    house.file("shop.toml", OWN_PLAN + "[segments.vip]\norders_from = 5\n")
    async with open_core(settings_of(house)) as core, core.pool.acquire() as conn, conn.transaction():
        plan, allowed = replace(draft.plan, name="ours"), publishable(core.settings)
        await publish_by_hand(conn, plan, allowed, actor="test", reason="agreed", now=utc_now())
    house.file("shop.toml", OWN_PLAN)
    with capture_logs() as logs:
        async with open_core(settings_of(house)) as core, open_channels(core) as channels:
            assert len(channels.terms()) == 1
    told = [line for line in logs if line["event"] == "plan.unknown_segment"]
    assert [(line["plan"], line["rule"], line["segment"]) for line in told] == [("ours", "commission", "vip")]


def test_settings_say_one_of_rules_file_and_published(house: House) -> None:
    both = OWN_PLAN.replace("published = true", 'published = true\nfile = "x.toml"')
    refused = house.run("config", "check", house.file("both.toml", both))
    assert "more than one of rules, file and published" in refused.stderr
    assert house.run("config", "check", house.file("shop.toml", OWN_PLAN)).exit_code == 0


async def test_without_a_plan_a_channel_does_not_begin_to_sell(house: House, config: tuple[str, str]) -> None:
    async with open_core(settings_of(house)) as core:
        with pytest.raises(SettingsRefused, match=r"shop.toml:\d+.*consignd splits publish ours FILE"):
            async with open_channels(core):
                pass


async def test_a_running_daemon_takes_a_new_version_up(house: House, config: tuple[str, str]) -> None:
    with capture_logs() as logs:
        async with open_core(settings_of(house)) as core:
            await publish(core, "10")
            async with open_channels(core) as channels:
                (channel_id,) = channels.terms()
                daemon, stop = Daemon(core, channels), asyncio.Event()
                running = asyncio.create_task(daemon.run(stop))
                await until(lambda: driven(logs) == [1], "the channel is driven")
                watch = PlanWatch(core, channels)
                await publish(core, "12")
                await watch.tick()
                await until(lambda: driven(logs) == [1, 2], "the new version is taken up")
                assert daemon.services().terms()[channel_id].plan.rules[0].rate_ppm == 120_000
                stop.set()
                await running


async def publish(core: Core, percent: str) -> None:
    draft = draft_plan(PLAN.format(percent=percent, money=""))
    assert draft.plan is not None
    new, allowed = replace(draft.plan, name="ours"), publishable(core.settings)
    async with core.pool.acquire() as conn, conn.transaction():
        await publish_by_hand(conn, new, allowed, actor="test", reason="agreed", now=utc_now())


def driven(logs: Sequence[EventDict]) -> list[int]:
    """The versions that the channel was driven by, as the daemon's log tells."""
    return [line["version"] for line in logs if line["event"] == "channel.driven"]
