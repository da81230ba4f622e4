"""The fixtures that tests of imports share."""

from __future__ import annotations

from tests.db.imports import consignor_id, importer, order, vault

__all__ = ["consignor_id", "importer", "order", "vault"]
