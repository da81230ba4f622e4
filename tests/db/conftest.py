"""The fixtures that tests of imports, and of embedded servers, share."""

from __future__ import annotations

from tests.db.clusters import folder
from tests.db.imports import consignor_id, importer, order, vault

__all__ = ["consignor_id", "folder", "importer", "order", "vault"]
