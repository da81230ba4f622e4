"""Plays a shop that shows products and takes batches of changes, as cheaply as can be, and counts calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from aiohttp import web
from aiohttp.web_request import Request

_ROOT = "/wp-json/wc/v3"
_PAGE = 100


@dataclass(slots=True)
class Product:
    """A product as the shop shows it."""

    quantity: int
    price_minor: int


@dataclass(slots=True)
class LightShop:
    """A server on the loopback interface that speaks as much of WooCommerce as reconciling needs."""

    products: dict[int, Product]
    reads: int = 0
    writes: int = 0
    url: str = ""
    _runner: web.AppRunner | None = field(default=None, repr=False)

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=16 * 1024 * 1024)
        app.router.add_get(f"{_ROOT}/products", self._list)
        app.router.add_post(f"{_ROOT}/products/batch", self._change)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None, "a shop that was opened"
        await self._runner.cleanup()

    def options(self) -> Mapping[str, object]:
        """What the connector is told."""
        return {
            "base_url": self.url,
            "consumer_key": "ck_" + "0" * 40,
            "consumer_secret": "cs_" + "0" * 40,
            "webhook_secret": "0" * 40,
            "orders_from": "2020-01-01T00:00:00Z",
        }

    def least_reads(self) -> int:
        """The fewest calls that can tell all of it."""
        return -(-len(self.products) // _PAGE)

    async def _list(self, request: Request) -> web.Response:
        self.reads += 1
        page, per_page = int(request.query["page"]), int(request.query["per_page"])
        numbers = list(self.products)[(page - 1) * per_page : page * per_page]
        pages = -(-len(self.products) // per_page)
        return web.Response(
            text=json.dumps([self._shown(number) for number in numbers]),
            content_type="application/json",
            headers={"X-WP-TotalPages": str(pages)},
        )

    async def _change(self, request: Request) -> web.Response:
        self.writes += 1
        told = json.loads(await request.read())["update"]
        for each in told:
            product = self.products[int(each["id"])]
            product.quantity = each.get("stock_quantity", product.quantity)
        return web.json_response({"update": [self._shown(int(each["id"])) for each in told]})

    def _shown(self, number: int) -> dict[str, object]:
        product = self.products[number]
        price = f"{product.price_minor // 100}.{product.price_minor % 100:02d}"
        return {
            "id": number,
            "name": f"Card {number}",
            "type": "simple",
            "status": "publish",
            "catalog_visibility": "visible",
            "sku": f"S{number}",
            "price": price,
            "regular_price": price,
            "sale_price": "",
            "virtual": True,
            "manage_stock": True,
            "stock_quantity": product.quantity,
            "stock_status": "instock" if product.quantity else "outofstock",
            "backorders": "no",
        }
