"""Moves browsers through the console: signing in and out, pages, actions, live news, our own files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from importlib.resources import files
from pathlib import PurePath
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from core.db.pool import DATABASE_FAILURES
from core.views.alerts import unseen_alerts
from core.views.guard import stopped
from web.access import GuessLimiter, Right, find_token, roles_with
from web.api.problems import Problem, problem_of
from web.api.route import Download
from web.api.server import send_file
from web.console.money.uploads import LARGEST_BYTES, Upload
from web.console.plan import ACTIONS, PAGES, Action, Page
from web.console.sessions import COOKIE, IDLE_SECONDS, Session, Sessions
from web.console.visit import NOTHING_STANDS, SECURITY_HEADERS, Memory, Renderer, Shown, Standing, Visit
from web.console.words import ENGLISH
from web.live import LiveNews
from web.services import Services

ROOT = "/console"
_LONGEST_NAME = 200
_FILES = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}

_log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Work = Callable[[], Awaitable[Shown | Download]]


class ConsoleServer:
    """The console of one application."""

    def __init__(self, services: Services, news: LiveNews, limiter: GuessLimiter) -> None:
        self._services = services
        self._news = news
        self._limiter = limiter
        self._sessions = Sessions()
        self._memory = Memory()
        self._renderer = Renderer()
        folder = files("web.console").joinpath("static")
        self._files = {name: folder.joinpath(name).read_bytes() for name in _FILES}

    def add_to(self, app: web.Application) -> None:
        """Make every page and action reachable."""
        router = app.router
        router.add_get("/", self._to_console)
        router.add_get(f"{ROOT}/", self._to_console)
        router.add_get(f"{ROOT}/static/{{name}}", self._file)
        router.add_get(f"{ROOT}/sign-in", self._sign_in_page)
        router.add_post(f"{ROOT}/sign-in", self._sign_in)
        router.add_post(f"{ROOT}/sign-out", self._sign_out)
        router.add_get(f"{ROOT}/events", self._events)
        for page in PAGES:
            router.add_get(ROOT + page.path, self._shows(page))
        for action in ACTIONS:
            router.add_post(ROOT + action.path, self._does(action))

    async def _to_console(self, _: web.Request) -> web.Response:
        raise web.HTTPSeeOther(ROOT)

    async def _file(self, raw: web.Request) -> web.Response:
        name = raw.match_info["name"]
        if name not in self._files:
            raise web.HTTPNotFound(text="no such file\n")
        headers = dict(SECURITY_HEADERS) | {"Cache-Control": "no-cache"}
        return web.Response(body=self._files[name], content_type=_FILES[name], headers=headers)

    # Signing in and out.

    async def _sign_in_page(self, raw: web.Request) -> web.Response:
        return await self._render(Shown("sign_in.html", {"problem": None}), None, raw)

    async def _sign_in(self, raw: web.Request) -> web.Response:
        address = raw.remote or "unknown"
        if _from_elsewhere(raw):
            return await self._sorry(Problem(403, ENGLISH["wrong"], ENGLISH["form_old"]), None, raw)
        if self._limiter.wait_seconds(address):
            return await self._render(Shown("sign_in.html", {"problem": ENGLISH["too_many"]}, 429), None, raw)
        token = find_token(self._services.tokens, str((await raw.post()).get("token", "")).strip())
        if token is None:
            self._limiter.failed(address)
            return await self._render(
                Shown("sign_in.html", {"problem": ENGLISH["token_wrong"]}, 401), None, raw
            )
        # A session that was there before is not taken over: whoever planted it would share the new one.
        self._sessions.close(raw.cookies.get(COOKIE))
        response = web.Response(status=303, headers={**SECURITY_HEADERS, "Location": ROOT})
        response.set_cookie(
            COOKIE,
            self._sessions.open(token),
            max_age=int(IDLE_SECONDS),
            path=ROOT,
            httponly=True,
            secure=self._services.secure_cookies,
            samesite="Strict",
        )
        _log.info("console.signed_in", who=token.name, role=token.role.value)
        return response

    async def _sign_out(self, raw: web.Request) -> web.Response:
        session = self._session(raw)
        form = await raw.post()
        if session is not None and session.posted(str(form.get("csrf", ""))):
            self._sessions.close(raw.cookies.get(COOKIE))
        response = web.Response(status=303, headers={**SECURITY_HEADERS, "Location": f"{ROOT}/sign-in"})
        response.del_cookie(COOKIE, path=ROOT)
        return response

    def _session(self, raw: web.Request) -> Session | None:
        return self._sessions.find(raw.cookies.get(COOKIE))

    # Pages and actions.

    def _shows(self, page: Page) -> Handler:
        async def handle(raw: web.Request) -> web.StreamResponse:
            session = self._session(raw)
            if session is None:
                raise web.HTTPSeeOther(f"{ROOT}/sign-in")
            visit = self._visit(session, raw)
            return await self._guarded(page.right, session, raw, lambda: page.show(visit))

        return handle

    def _does(self, action: Action) -> Handler:
        async def handle(raw: web.Request) -> web.StreamResponse:
            session = self._session(raw)
            if session is None:
                raise web.HTTPSeeOther(f"{ROOT}/sign-in")
            try:
                posted = await (raw.clone(client_max_size=LARGEST_BYTES) if action.upload else raw).post()
            except web.HTTPRequestEntityTooLarge:
                return await self._sorry(Problem(413, ENGLISH["wrong"], ENGLISH["too_large"]), session, raw)
            form = {name: value for name, value in posted.items() if isinstance(value, str)}
            if _from_elsewhere(raw) or not session.posted(form.get("csrf", "")):
                return await self._sorry(Problem(403, ENGLISH["wrong"], ENGLISH["form_old"]), session, raw)
            visit = self._visit(session, raw, _upload(posted) if action.upload else None)
            return await self._guarded(action.right, session, raw, lambda: action.act(visit, form))

        return handle

    async def _events(self, raw: web.Request) -> web.StreamResponse:
        if self._session(raw) is None:
            raise web.HTTPUnauthorized(text="sign in first\n")
        return await self._news.stream(raw)

    def _visit(self, session: Session, raw: web.Request, upload: Upload | None = None) -> Visit:
        return Visit(self._services, session, raw, self._memory, upload)

    async def _guarded(
        self, right: Right, session: Session, raw: web.Request, work: Work
    ) -> web.StreamResponse:
        """Render what the work shows, or send its file; what goes wrong is a page as well."""
        try:
            if not session.token.may(right):
                detail = ENGLISH["not_allowed_help"] % ", ".join(roles_with(right))
                raise Problem(403, ENGLISH["not_allowed"], detail)
            shown = await work()
            return await (
                send_file(raw, shown) if isinstance(shown, Download) else self._render(shown, session, raw)
            )
        except web.HTTPRedirection as redirection:
            headers = {**SECURITY_HEADERS, "Location": redirection.headers["Location"]}
            return web.Response(status=redirection.status, headers=headers)
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                _log.exception("console.failed", path=raw.path)
                problem = Problem(500, ENGLISH["wrong"], "The log of the daemon tells more.")
            return await self._sorry(problem, session, raw)

    async def _sorry(self, problem: Problem, session: Session | None, raw: web.Request) -> web.Response:
        # What went wrong is not asked for again by itself; what stands is told by every page.
        shown = Shown("sorry.html", {"problem": problem}, problem.status, address=ROOT)
        return await self._render(shown, session, raw)

    async def _render(self, shown: Shown, session: Session | None, raw: web.Request) -> web.Response:
        here = raw.path.removeprefix(ROOT)
        standing = NOTHING_STANDS if session is None else await self._standing()
        return self._renderer.page(shown, session, self._services, here, standing)

    async def _standing(self) -> Standing:
        """What every page tells; a page without it is better than none while the database is away."""
        try:
            async with self._services.pool.acquire() as conn:
                return Standing(await stopped(conn), await unseen_alerts(conn))
        except DATABASE_FAILURES:
            return NOTHING_STANDS


def _upload(posted: Mapping[str, object]) -> Upload | None:
    """The file of a form, if one was chosen."""
    part = posted.get("file")
    if not isinstance(part, web.FileField) or not part.filename:
        return None
    return Upload(PurePath(part.filename.replace("\\", "/")).name[:_LONGEST_NAME], part.file.read())


def _from_elsewhere(raw: web.Request) -> bool:
    """Whether a browser says that another site posts this."""
    origin = raw.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != raw.host
