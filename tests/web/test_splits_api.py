"""Split plans over the API: checked, tried on a price, and held against what was really sold."""

from __future__ import annotations

from pathlib import Path

from tests.web.bench import Room
from web.access import Role

EXAMPLES = Path(__file__).parents[2] / "config" / "examples" / "plans"
PLAN = """
name = "draft"

[[rules]]
name = "commission"
party = "channel"
rate_percent = "10"

[[rules]]
name = "our-fee"
party = "operator"
base = "after_channel"
rate_percent = "5"

[[rules]]
name = "rest"
party = "consignor"
rest = true
"""
THREE_LEVELS = PLAN.replace('party = "operator"', 'party = "referrer-3"')


async def test_a_plan_is_checked_as_its_file_would_be(room: Room) -> None:
    good = (await room.call("POST", "/splits/lint", Role.FINANCE, body={"plan": PLAN})).json()
    assert good == {"ok": True, "name": "draft", "problems": []}
    bad = (await room.call("POST", "/splits/lint", Role.FINANCE, body={"plan": THREE_LEVELS})).json()
    assert (bad["ok"], "pyramid" in " ".join(bad["problems"])) == (False, True)
    typo = (
        await room.call("POST", "/splits/lint", Role.FINANCE, body={"plan": "name = 1\nrulez = 2"})
    ).json()
    assert (typo["ok"], typo["name"]) == (False, None)
    assert all(problem.startswith("plan:") for problem in typo["problems"])
    assert (await room.call("POST", "/splits/lint", Role.OPERATOR, body={"plan": PLAN})).status == 403


async def test_every_example_plan_passes(room: Room) -> None:
    for path in sorted(EXAMPLES.glob("*.toml")):
        told = await room.call("POST", "/splits/lint", Role.FINANCE, body={"plan": path.read_text()})
        assert told.json()["problems"] == [], path.name


async def test_a_price_runs_down_a_plan(room: Room) -> None:
    # 20.00: the channel takes 2.00, we 5 % of 18.00, the consignor the rest of 17.10; two units.
    sale = {"plan": PLAN, "price": "20.00", "currency": "EUR", "quantity": 2}
    told = (await room.call("POST", "/splits/try", Role.FINANCE, body=sale)).json()
    steps = [(step["rule"], step["amount_minor"]) for step in told["waterfall"]["steps"]]
    assert steps == [("commission", 400), ("our-fee", 180), ("rest", 3420)]
    assert sum(entry["amount_minor"] for entry in told["entries"]) == 0
    unreadable = await room.call("POST", "/splits/try", Role.FINANCE, body=sale | {"plan": "name ="})
    assert (unreadable.status, "plan:1" in unreadable.json()["detail"]) == (422, True)
    odd = await room.call("POST", "/splits/try", Role.FINANCE, body=sale | {"price": "20.001"})
    assert odd.status == 422


async def test_past_sales_are_split_again_without_a_trace(room: Room) -> None:
    await room.sell("o1", count=2)
    before = (await room.call("GET", "/ledger/balances", Role.FINANCE)).json()
    asked = {"plan": PLAN, "since": "2020-01-01T00:00:00Z"}
    told = (await room.call("POST", "/splits/simulate", Role.FINANCE, body=asked)).json()
    assert (told["lines"], told["unsplit"]) == (1, 0)
    assert sum(each["old_minor"] for each in told["parties"]) == 5000
    assert sum(each["new_minor"] for each in told["parties"]) == 5000
    assert (await room.call("GET", "/ledger/balances", Role.FINANCE)).json() == before
    refused = await room.call("POST", "/splits/simulate", Role.FINANCE, body=asked | {"plan": THREE_LEVELS})
    assert refused.status == 422


async def test_a_plan_is_published_where_settings_leave_it_to_whoever_publishes(room: Room) -> None:
    body = {"plan": PLAN, "reason": "agreed"}
    assert (await room.call("POST", "/splits/plans", Role.OPERATOR, body=body)).status == 403
    told = (await room.call("POST", "/splits/plans", Role.FINANCE, body=body)).json()
    assert (told["name"], told["version"], told["currencies"]) == ("draft", 1, ["EUR"])
    [listed] = (await room.call("GET", "/splits/plans", Role.FINANCE)).json()["plans"]
    assert (listed["version"], [rule["name"] for rule in listed["plan"]["rules"]][-1]) == (1, "rest")
    audit = await room.pool.fetchrow("SELECT actor, subject, reason FROM audit WHERE action = 'plan.publish'")
    assert audit is not None
    assert tuple(audit) == ("finance-person", "split plan draft version 1", "agreed")
    other = body | {"plan": PLAN.replace('"draft"', '"default"')}
    refused = await room.call("POST", "/splits/plans", Role.FINANCE, body=other)
    assert (refused.status, "published = true" in refused.json()["detail"]) == (422, True)
    assert (
        await room.call("POST", "/splits/plans", Role.FINANCE, body=body | {"plan": THREE_LEVELS})
    ).status == 422
