"""Guards the door of Eneba's sandbox: tokens, addresses, the rate limit, and the soundness of requests."""

from __future__ import annotations

import secrets
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from aiohttp import web

from connectors.kit.errors import ProtocolBroken
from connectors.kit.json import Json, dump_json, parse_json
from connectors.sandbox.eneba_books import EnebaTerms
from connectors.sandbox.eneba_schema import eneba_schema
from connectors.sandbox.graphql import GraphqlProblem, Operation, parse_document, shape
from connectors.sandbox.graphql_schema import plain

_WINDOW_SECONDS = 60.0

Arguments = Mapping[str, Json]
Resolver = Callable[[Arguments], Json]


class EnebaDoor:
    """The two endpoints of the API; what passes is handed to the resolvers."""

    def __init__(self, terms: EnebaTerms, resolvers: Mapping[str, Resolver]) -> None:
        self.terms = terms
        # What tests set, and what they count.
        self.address_allowed = True
        self.tokens_accepted = True
        self.requests_served = 0
        self.tokens_granted = 0
        self._resolvers = resolvers
        self._schema = eneba_schema(actions=terms.actions)
        self._tokens: dict[str, float] = {}
        self._arrivals: deque[float] = deque()

    def routes(self) -> Sequence[web.RouteDef]:
        """The token and the GraphQL endpoint."""
        return [web.post("/oauth/token", self._grant), web.post("/graphql/", self._graphql)]

    def expire_tokens(self) -> None:
        """Make every token given out so far invalid."""
        self._tokens.clear()

    async def _grant(self, request: web.Request) -> web.Response:
        form = await request.post()
        terms = self.terms
        given = [str(form.get(name, "")) for name in ("grant_type", "client_id", "id", "secret")]
        if given != ["api_consumer", terms.client_id, terms.auth_id, terms.auth_secret]:
            return web.json_response({"error": "invalid_client"}, status=401)
        self.tokens_granted += 1
        token = secrets.token_urlsafe(24)
        self._tokens[token] = time.monotonic() + terms.token_seconds
        return web.json_response(
            {
                "token_type": "Bearer",
                "expires_in": int(terms.token_seconds),
                "access_token": token,
                "refresh_token": secrets.token_urlsafe(24),
            }
        )

    async def _graphql(self, request: web.Request) -> web.Response:
        self.requests_served += 1
        if not self.address_allowed:
            return web.json_response({"message": "Forbidden"}, status=403)
        if self._too_many():
            return web.json_response(
                {"message": "Too Many Requests"}, status=429, headers={"Retry-After": "1"}
            )
        if not self._authorised(request):
            return web.json_response({"errors": [{"message": "Unauthorized"}]}, status=401)
        try:
            operation, variables = self._read(await request.read())
        except (GraphqlProblem, ProtocolBroken) as problem:
            return _answer({"errors": [{"message": str(problem)}]}, 400)
        return _answer(self._execute(operation, variables), 200)

    def _authorised(self, request: web.Request) -> bool:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        return self.tokens_accepted and scheme == "Bearer" and self._tokens.get(token, 0.0) > time.monotonic()

    def _too_many(self) -> bool:
        now = time.monotonic()
        while self._arrivals and self._arrivals[0] <= now - _WINDOW_SECONDS:
            self._arrivals.popleft()
        if len(self._arrivals) >= self.terms.requests_per_minute:
            return True
        self._arrivals.append(now)
        return False

    def _read(self, body: bytes) -> tuple[Operation, dict[str, Json]]:
        content = parse_json(body, "graphql")
        query = content.get("query") if isinstance(content, dict) else None
        variables = content.get("variables") if isinstance(content, dict) else None
        if not isinstance(query, str):
            raise GraphqlProblem("Must provide a query string.")
        given = variables if isinstance(variables, dict) else {}
        operation = parse_document(query)
        self._schema.check(operation, given)
        if len(operation.selections) > self.terms.mutations_per_request:
            raise GraphqlProblem(f"Too many operations: at most {self.terms.mutations_per_request}")
        return operation, given

    def _execute(self, operation: Operation, variables: Mapping[str, Json]) -> dict[str, Json]:
        data: dict[str, Json] = {}
        errors: list[Json] = []
        for asked in operation.selections:
            arguments = {name: plain(value, variables) for name, value in asked.arguments.items()}
            try:
                data[asked.alias] = shape(asked.selections, self._resolvers[asked.name](arguments))
            except GraphqlProblem as problem:
                data[asked.alias] = None
                errors.append({"message": str(problem), "path": [asked.alias]})
        return {"data": data, "errors": errors} if errors else {"data": data}


def _answer(content: Json, status: int) -> web.Response:
    return web.Response(body=dump_json(content), status=status, content_type="application/json")
