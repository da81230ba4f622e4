"""Moves money in django-hordak: makes its tables in the database at argv[1], then does what each line says.

A line is how many transfers, and how many in a transaction; the answer is the seconds they took. Runs in an
environment of its own (see transfers.py), which has Django and nothing of ours.
"""

from __future__ import annotations

import importlib
import sys
import time
from urllib.parse import parse_qs, urlsplit


def main() -> None:
    """Serve until the input ends."""
    django = importlib.import_module("django")
    where = urlsplit(sys.argv[1])
    importlib.import_module("django.conf").settings.configure(
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": where.path.lstrip("/"),
                "USER": where.username,
                "HOST": parse_qs(where.query)["host"][0],
                "PORT": parse_qs(where.query)["port"][0],
            }
        },
        INSTALLED_APPS=["django.contrib.contenttypes", "mptt", "hordak"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        USE_TZ=True,
        HORDAK_CURRENCIES=["EUR"],
    )
    django.setup()
    importlib.import_module("django.core.management").call_command("migrate", verbosity=0)
    _serve()


def _serve() -> None:
    accounts = importlib.import_module("hordak.models").Account.objects
    atomic = importlib.import_module("django.db.transaction").atomic
    amount = importlib.import_module("djmoney.money").Money(1, "EUR")
    one, other = (accounts.create(name=name, type="LI", currencies=["EUR"]) for name in ("one", "other"))
    for line in sys.stdin:
        transfers, together = map(int, line.split())
        started = time.perf_counter()
        for begun in range(0, transfers, together):
            with atomic():
                for _ in range(min(together, transfers - begun)):
                    one.transfer_to(other, amount)
        print(time.perf_counter() - started, flush=True)


if __name__ == "__main__":
    main()
