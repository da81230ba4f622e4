"""ChannelHttp against a server that misbehaves on purpose."""

from __future__ import annotations

import asyncio
import logging
import socket
import traceback
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import BaseModel
from structlog.testing import capture_logs

from connectors.kit.errors import (
    AuthenticationFailed,
    ChannelDown,
    ChannelError,
    ChannelRefused,
    OutcomeUnknown,
    ProtocolBroken,
    SlowDown,
    TryLater,
)
from connectors.kit.http import ChannelHttp, HttpPolicy, retry_after_seconds
from connectors.kit.traits import RateLimit
from tests.connectors.misbehaving_server import (
    Step,
    answer,
    fall_silent,
    hang_up,
    pour,
    server,
    stop_half_way,
)

PLENTY = RateLimit(10_000, 1.0)
QUICK = HttpPolicy(connect_seconds=2, total_seconds=2, longest_pause_seconds=2, open_seconds=0.2)
IMPATIENT = HttpPolicy(connect_seconds=2, total_seconds=0.2)
SECRET = "sesame-7a61f0"


def client(limit: RateLimit = PLENTY, policy: HttpPolicy = QUICK) -> ChannelHttp:
    return ChannelHttp("acme", limit, policy)


@pytest.mark.parametrize(
    "fault", [answer(500), answer(502), answer(429, headers={"Retry-After": "0"}), hang_up(), stop_half_way()]
)
@pytest.mark.parametrize("method", ["GET", "PUT", "POST"])
async def test_a_safe_request_is_repeated(method: str, fault: Step) -> None:
    async with server(fault, answer(body=b'{"ok":1}')) as script, client() as http:
        reply = await http.request(method, script.url, safe=True)
        assert reply.json() == {"ok": 1}
        assert len(script.seen) == 2


@pytest.mark.parametrize("fault", [answer(500), answer(503), hang_up(), stop_half_way()])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
async def test_an_unsafe_request_is_sent_once_and_its_outcome_is_unknown(method: str, fault: Step) -> None:
    async with server(answer(), fault, answer()) as script, client() as http:
        # The connection is kept open by a first request: only then are clients tempted to repeat.
        await http.request("GET", script.url, safe=True)
        with pytest.raises(OutcomeUnknown):
            await http.request(method, script.url, safe=False)
        assert len(script.seen) == 2


async def test_an_unsafe_request_without_an_answer_in_time_has_an_unknown_outcome() -> None:
    async with server(fall_silent()) as script, client(policy=IMPATIENT) as http:
        with pytest.raises(OutcomeUnknown):
            await http.request("POST", script.url, safe=False)
        assert len(script.seen) == 1


async def test_a_safe_request_without_an_answer_in_time_is_repeated() -> None:
    async with server(fall_silent(), answer()) as script, client(policy=IMPATIENT) as http:
        await http.request("GET", script.url, safe=True)
        assert len(script.seen) == 2


async def test_safe_repetitions_end() -> None:
    async with server(answer(500)) as script, client() as http:
        with pytest.raises(TryLater):
            await http.request("GET", script.url, safe=True)
        assert len(script.seen) == 4


@pytest.mark.parametrize("safe", [True, False])
async def test_a_refused_connection_is_surely_not_carried_out(safe: bool) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/thing"
        async with client() as http:
            with pytest.raises(ChannelDown):
                await http.request("POST", url, safe=safe)


@pytest.mark.parametrize("safe", [True, False])
async def test_a_429_is_surely_not_carried_out(safe: bool) -> None:
    async with server(answer(429, headers={"Retry-After": "60"})) as script, client() as http:
        with pytest.raises(SlowDown) as slow:
            await http.request("POST", script.url, safe=safe)
        assert slow.value.after_seconds == 60
        assert len(script.seen) == 1


async def test_after_a_long_429_nobody_is_asked_and_nobody_waits() -> None:
    async with server(answer(429, headers={"Retry-After": "60"})) as script, client() as http:
        with pytest.raises(SlowDown):
            await http.request("GET", script.url, safe=True)
        told = await asyncio.gather(
            *(http.request("GET", script.url, safe=index % 2 == 0) for index in range(20)),
            return_exceptions=True,
        )
        assert all(isinstance(error, SlowDown) and 0 < error.after_seconds <= 60 for error in told)
        assert len(script.seen) == 1


async def test_after_a_short_429_the_next_unsafe_request_waits_and_is_sent_once() -> None:
    async with server(answer(429, headers={"Retry-After": "1"}), answer()) as script, client() as http:
        with pytest.raises(SlowDown):
            await http.request("POST", script.url, safe=False)
        assert (await http.request("POST", script.url, safe=False)).status == 200
        assert len(script.seen) == 2


async def test_a_503_with_retry_after_was_not_carried_out() -> None:
    async with server(answer(503, headers={"Retry-After": "33"})) as script, client() as http:
        with pytest.raises(TryLater) as later:
            await http.request("POST", script.url, safe=False)
        assert later.value.after_seconds == 33


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("999999999999", 900.0),
        ("soon", None),
        ("-3", None),
        ("²", None),
        ("", None),
        (format_datetime(datetime(2026, 1, 1, 0, 1, tzinfo=UTC), usegmt=True), 60.0),
        (format_datetime(datetime(2025, 1, 1, tzinfo=UTC), usegmt=True), 0.0),
        (format_datetime(datetime(2036, 1, 1, tzinfo=UTC), usegmt=True), 900.0),
        ("Thu, 01 Jan 2026 00:00:30 -0000", 30.0),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": value}, datetime(2026, 1, 1, tzinfo=UTC)) == seconds


def test_without_retry_after_no_pause_is_asked_for() -> None:
    assert retry_after_seconds({}, datetime(2026, 1, 1, tzinfo=UTC)) is None


nearly_dates = some.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d{1,3}:\d\d:\d\d.*")


@given(some.text(max_size=40) | nearly_dates)
def test_no_retry_after_breaks_the_client(value: str) -> None:
    seconds = retry_after_seconds({"retry-after": value}, datetime(2026, 1, 1, tzinfo=UTC))
    assert seconds is None or 0 <= seconds <= 900


async def test_a_date_in_retry_after_pauses_the_channel() -> None:
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=600), usegmt=True)
    async with server(answer(429, headers={"Retry-After": until})) as script, client() as http:
        with pytest.raises(SlowDown) as slow:
            await http.request("GET", script.url, safe=True)
        assert 300 < slow.value.after_seconds <= 600


async def test_the_budget_bounds_how_many_requests_go_out() -> None:
    async with server(answer()) as script, client(RateLimit(5, 3600.0)) as http:
        waiting = [asyncio.create_task(http.request("GET", script.url, safe=True)) for _ in range(12)]
        done, pending = await asyncio.wait(waiting, timeout=1.0)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        assert len(script.seen) == len(done) == 5


async def test_repetitions_count_against_the_budget() -> None:
    async with server(answer(500), answer()) as script, client(RateLimit(2, 3600.0)) as http:
        await http.request("GET", script.url, safe=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await http.request("GET", script.url, safe=True)
        assert len(script.seen) == 2


async def test_the_circuit_opens_after_failures_and_closes_again() -> None:
    policy = HttpPolicy(failures_to_open=3, open_seconds=0.2)
    async with server(*[answer(500)] * 3, answer()) as script, client(policy=policy) as http:
        for _ in range(3):
            with pytest.raises(OutcomeUnknown):
                await http.request("POST", script.url, safe=False)
        for safe in (True, False, True):
            with pytest.raises(ChannelDown) as down:
                await http.request("POST", script.url, safe=safe)
            assert down.value.after_seconds == policy.open_seconds
        assert len(script.seen) == 3
        await asyncio.sleep(0.3)
        for _ in range(3):
            await http.request("POST", script.url, safe=False)
        assert len(script.seen) == 6


async def test_the_circuit_opens_again_at_the_first_failure_after_it_was_open() -> None:
    policy = HttpPolicy(failures_to_open=3, open_seconds=0.2)
    async with server(answer(500)) as script, client(policy=policy) as http:
        for _ in range(3):
            with pytest.raises(OutcomeUnknown):
                await http.request("POST", script.url, safe=False)
        await asyncio.sleep(0.3)
        with pytest.raises(OutcomeUnknown):
            await http.request("POST", script.url, safe=False)
        with pytest.raises(ChannelDown):
            await http.request("POST", script.url, safe=False)
        assert len(script.seen) == 4


async def test_the_circuit_is_told_once_when_it_opens_and_once_when_it_closes() -> None:
    policy = HttpPolicy(failures_to_open=2, open_seconds=0.1)
    async with server(answer(500), answer(500), answer()) as script, client(policy=policy) as http:
        with capture_logs() as events:
            for _ in range(5):
                with pytest.raises(ChannelError):
                    await http.request("POST", script.url, safe=False)
            await asyncio.sleep(0.2)
            await http.request("POST", script.url, safe=False)
        told = [event["event"] for event in events if event["log_level"] != "debug"]
        assert told == ["channel.away", "channel.back"]


@pytest.mark.parametrize("status", [429, 401, 404, 422])
async def test_an_answer_that_is_no_failure_does_not_open_the_circuit(status: int) -> None:
    policy = HttpPolicy(failures_to_open=2, open_seconds=60)
    async with server(answer(status, headers={"Retry-After": "0"})) as script, client(policy=policy) as http:
        for _ in range(6):
            with pytest.raises((SlowDown, AuthenticationFailed, ChannelRefused)):
                await http.request("POST", script.url, safe=False)
        assert len(script.seen) == 6


async def test_many_callers_at_once_open_the_circuit_once_and_recover() -> None:
    policy = HttpPolicy(failures_to_open=4, open_seconds=0.2)
    async with server(*[answer(500)] * 10, answer()) as script, client(policy=policy) as http:
        calls = [http.request("POST", script.url, safe=False) for _ in range(10)]
        told = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(error, OutcomeUnknown | ChannelDown) for error in told)
        await asyncio.sleep(0.3)
        script.steps[:] = [answer()]
        replies = await asyncio.gather(*(http.request("POST", script.url, safe=False) for _ in range(10)))
        assert {reply.status for reply in replies} == {200}


@pytest.mark.parametrize(("safe", "error"), [(True, ProtocolBroken), (False, OutcomeUnknown)])
async def test_a_reply_beyond_all_size_is_not_read(safe: bool, error: type[ChannelError]) -> None:
    async with server(pour(64 * 1024 * 1024)) as script, client(policy=HttpPolicy()) as http:
        with pytest.raises(error, match="larger than"):
            await http.request("GET", script.url, safe=safe)
        assert len(script.seen) == 1


async def test_a_redirect_is_not_followed() -> None:
    async with server(answer(302, headers={"Location": "/elsewhere"}), answer()) as script, client() as http:
        with pytest.raises(ChannelRefused) as refused:
            await http.request("GET", script.url, safe=True)
        assert refused.value.status == 302
        assert script.seen == ["GET /thing"]


@pytest.mark.parametrize(
    ("status", "error"), [(401, AuthenticationFailed), (403, AuthenticationFailed), (404, ChannelRefused)]
)
async def test_a_no_is_named_and_not_repeated(status: int, error: type[ChannelError]) -> None:
    async with server(answer(status)) as script, client() as http:
        with pytest.raises(error):
            await http.request("GET", script.url, safe=True)
        assert len(script.seen) == 1


@pytest.mark.parametrize("status", [404, 409, 422, 500])
async def test_an_accepted_status_is_returned(status: int) -> None:
    async with server(answer(status, b'{"code":7}')) as script, client() as http:
        reply = await http.request("POST", script.url, safe=False, accept={status})
        assert (reply.status, reply.json()) == (status, {"code": 7})


async def test_what_can_be_sent_once_only_is_made_anew_for_each_attempt() -> None:
    numbers = iter(range(10))
    async with server(answer(500), answer()) as script, client() as http:
        await http.request("GET", script.url, safe=True, sign=lambda: {"nonce": str(next(numbers))})
        assert script.seen == ["GET /thing?nonce=0", "GET /thing?nonce=1"]


@pytest.mark.parametrize(
    "fault", [*map(answer, (200, 302, 401, 404, 429, 500)), hang_up(), fall_silent(), stop_half_way()]
)
async def test_no_secret_is_logged_or_told(fault: Step, caplog: pytest.LogCaptureFixture) -> None:
    async with server(fault) as script, client(policy=IMPATIENT) as http:
        with capture_logs() as events, caplog.at_level(logging.DEBUG):
            try:
                reply = await http.request(
                    "POST",
                    f"{script.url}?key={SECRET}",
                    safe=False,
                    headers={"Authorization": SECRET},
                    params={"token": SECRET},
                    json={"code": SECRET},
                )
                shown = repr(reply)
            except ChannelError as error:
                shown = "\n".join(traceback.format_exception_only(error))
                shown += repr((error.__cause__, None if error.__suppress_context__ else error.__context__))
    assert SECRET in script.seen[0]
    assert SECRET not in shown + str(events) + caplog.text


class Thing(BaseModel):
    name: str
    count: int


async def test_a_reply_is_read_as_a_model() -> None:
    async with server(answer(body=b'{"name":"x","count":3}')) as script, client() as http:
        assert (await http.request("GET", script.url, safe=True)).read(Thing) == Thing(name="x", count=3)


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"name":"sesame-7a61f0","count":"sesame-7a61f0"}'])
async def test_a_reply_of_another_shape_is_named_without_telling_it(body: bytes) -> None:
    async with server(answer(body=body)) as script, client() as http:
        reply = await http.request("GET", script.url, safe=True)
        with pytest.raises(ProtocolBroken) as broken:
            reply.read(Thing)
    assert SECRET not in str(broken.value)
    assert "GET http://127.0.0.1" in str(broken.value)


@pytest.mark.parametrize("url", ["not an address", "http://", "http://[::1"])
async def test_an_address_that_is_none_is_refused_and_nothing_is_sent(url: str) -> None:
    async with client() as http:
        with pytest.raises(ChannelRefused):
            await http.request("POST", url, safe=False)


async def test_a_client_that_was_not_entered_is_our_mistake() -> None:
    with pytest.raises(AssertionError, match="async with"):
        await client().request("GET", "http://127.0.0.1:1/", safe=True)
