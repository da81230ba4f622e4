"""Proves what callers of the API see of alerts, who may do what, and that dead messages rise again."""

from __future__ import annotations

import pytest

from core.alerts.incidents import IncidentBook
from core.alerts.notices import NoticeBox
from core.alerts.rules import Measure, Metric, Route, Rule, Severity
from tests.alerts.watching import watch
from tests.web.bench import SKU, Room
from web.access import Role

HOOK = Route("hook")
LOW = Rule("low", Measure(Metric.STOCK), cross=50, clear=60, severity=Severity.CRITICAL)


async def raise_alert(room: Room) -> int:
    """The room's one SKU is low; the alert's number."""
    await IncidentBook(room.pool, watch(LOW, routes=(HOOK,))).sweep()
    await NoticeBox(room.pool, {"hook": HOOK}, "test", None).write()
    incident_id: int = await room.pool.fetchval("SELECT incident_id FROM incident")
    return incident_id


async def test_alerts_are_listed_with_how_many_stand(room: Room) -> None:
    assert (await room.call("GET", "/alerts")).json()["alerts"] == []
    number = await raise_alert(room)
    page = (await room.call("GET", "/alerts", Role.VIEWER)).json()
    (alert,) = page["alerts"]
    assert alert["headline"] == f"{SKU}: codes left 10, below 50"
    assert (alert["incident_id"], alert["side"], alert["facts"]["codes"]) == (number, "below", 10)
    assert page["counts"][0] == {"severity": "critical", "open": 1, "unseen": 1}
    assert page["next_before"] is None
    chinese = (await room.call("GET", "/alerts?language=zh")).json()
    assert chinese["alerts"][0]["headline"] == f"{SKU}：剩余库存 10，低于 50"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=closed", 0),
        ("state=all", 1),
        ("severity=critical", 1),
        ("severity=info", 0),
        (f"sku_ref={SKU}", 1),
        ("sku_ref=other", 0),
        ("channel=telling", 0),
        ("before=1", 0),
    ],
)
async def test_alerts_are_found_by_what_they_are(room: Room, query: str, found: int) -> None:
    await raise_alert(room)
    assert len((await room.call("GET", f"/alerts?{query}")).json()["alerts"]) == found


async def test_a_page_tells_where_the_next_begins(room: Room) -> None:
    await raise_alert(room)
    second = Rule("second", LOW.measure, cross=50, clear=60)
    await room.pool.execute("DELETE FROM alert_measured")
    await IncidentBook(room.pool, watch(LOW, second)).sweep()
    page = (await room.call("GET", "/alerts?limit=1")).json()
    rest = (await room.call("GET", f"/alerts?limit=1&before={page['next_before']}")).json()
    assert (page["alerts"][0]["rule"], rest["alerts"][0]["rule"]) == ("second", "low")
    assert rest["next_before"] is None


async def test_an_alert_tells_what_was_told_of_it(room: Room) -> None:
    number = await raise_alert(room)
    detail = (await room.call("GET", f"/alerts/{number}")).json()
    (told,) = detail["notices"]
    assert (told["kind"], told["route"], told["state"], told["attempts"]) == ("raised", "hook", "waiting", 0)
    assert (await room.call("GET", "/alerts/999999")).status == 404
    assert (await room.call("GET", "/alerts/x")).status == 404


async def test_an_operator_acknowledges_and_a_viewer_may_not(room: Room) -> None:
    path = f"/alerts/{await raise_alert(room)}/acknowledge"
    for role in (Role.VIEWER, Role.FINANCE):
        assert (await room.call("POST", path, role, {"reason": "seen"})).status == 403
    assert (await room.call("POST", path, Role.OPERATOR, {})).status == 422
    done = await room.call("POST", path, Role.OPERATOR, {"reason": "ordered more"})
    assert done.status == 200
    again = await room.call("POST", path, Role.ADMIN, {"reason": "me too"})
    assert again.status == 409
    assert "operator-person already" in again.json()["detail"]
    (alert,) = (await room.call("GET", "/alerts")).json()["alerts"]
    assert (alert["acknowledged_by"], alert["acknowledged_reason"]) == ("operator-person", "ordered more")
    missing = await room.call("POST", "/alerts/999999/acknowledge", Role.ADMIN, {"reason": "x"})
    assert missing.status == 404


async def test_messages_that_were_given_up_are_listed_and_tried_again(room: Room) -> None:
    number = await raise_alert(room)
    await room.pool.execute("UPDATE alert_message SET state = 'dead', ended_at = now(), error = 'HTTP 403'")
    (dead,) = (await room.call("GET", "/alerts/dead", Role.VIEWER)).json()["messages"]
    assert (dead["route"], dead["error"], dead["incident_ids"]) == ("hook", "HTTP 403", [number])
    body = {"message_ids": [dead["message_id"]], "reason": "mended"}
    assert (await room.call("POST", "/alerts/dead/retry", Role.VIEWER, body)).status == 403
    assert (await room.call("POST", "/alerts/dead/retry", Role.ADMIN, {"message_ids": [0]})).status == 422
    retried = await room.call("POST", "/alerts/dead/retry", Role.OPERATOR, body)
    assert retried.json() == {"message_ids": [dead["message_id"]]}
    assert (await room.call("GET", "/alerts/dead")).json()["messages"] == []
    assert await room.pool.fetchval("SELECT count(*) FROM audit WHERE action = 'retry'") == 1


async def test_two_ways_to_ask_at_once_are_refused(room: Room) -> None:
    assert (await room.call("GET", "/alerts?sku_ref=a&channel=b")).status == 422
    assert (await room.call("GET", "/alerts?state=some")).status == 422
