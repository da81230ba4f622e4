"""Tells the daemon what its operator wants: one TOML file, the environment over it, defaults below."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, Field, PrivateAttr, SecretStr, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.alerts import Alerts, unknown_routes
from config.buyers import Buyers, Segment, TaxRate, unknown_tax_channels
from config.coupons import CouponSeries, unknown_coupon_names
from config.fields import Name
from config.group_buying import GroupOffer, unknown_group_channels
from config.guard import Drift, Guard
from config.mending import explain, unknown_key
from config.models import (
    Api,
    Channel,
    Keys,
    Log,
    Sync,
    Web,
)
from config.plans import PlanFile
from config.points import PointsProgramme
from config.price import Price
from config.problems import KeyPath, Problem, SettingsRefused, dotted
from config.rates import Rates
from config.secrets import Resolver
from config.settlement import Settlement
from config.sources import EnvironmentSource, Origins, Tree, find_file, merge, read_document, variables_in
from config.splits import SplitChoice, SplitPlan, read_plan_files, unknown_choices
from config.statements import Statements, unknown_channels
from config.stock import Stock, unknown_tiers

_ROOT_DATA_DIR = Path("/var/lib/consignd")
_DSN_SCHEMES = ("postgresql", "postgres")


def _dsn(url: SecretStr) -> SecretStr:
    try:
        scheme, host = urlsplit(url.get_secret_value())[:2]
    except ValueError:
        scheme, host = "", ""
    if scheme not in _DSN_SCHEMES or not (host or urlsplit(url.get_secret_value()).query):
        raise ValueError("not a PostgreSQL address: write postgresql://user:password@host:5432/database")
    return url


def default_data_dir(environ: Mapping[str, str]) -> Path:
    """Where data lives unless told: /var/lib/consignd if root has it, else the user's own data directory."""
    if os.geteuid() == 0 and _ROOT_DATA_DIR.is_dir():
        return _ROOT_DATA_DIR
    share = environ.get("XDG_DATA_HOME", "")
    home = Path(environ.get("HOME") or Path.home())
    return (Path(share) if os.path.isabs(share) else home / ".local" / "share") / "consignd"


class Settings(BaseSettings):
    """All settings, valid and with their secrets fetched; load() is the way to make one."""

    model_config = SettingsConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        case_sensitive=True,
        nested_model_default_partial_update=False,
    )

    # None: an embedded PostgreSQL in the data directory.
    database_url: Annotated[SecretStr, AfterValidator(_dsn)] | None = None
    data_dir: Annotated[Path, AfterValidator(Path.expanduser)] = Field(
        default_factory=lambda: default_data_dir(os.environ)
    )
    web: Web = Web()
    log: Log = Log()
    keys: Keys = Keys()
    api: Api = Api()
    sync: Sync = Sync()
    stock: Stock = Stock()
    price: Price = Price()
    rates: Rates = Rates()
    drift: Drift = Drift()
    guard: Guard = Guard()
    alerts: Alerts = Alerts()
    statements: Statements = Statements()
    settlement: Settlement = Settlement()
    # Programmes of points.
    points: dict[Name, PointsProgramme] = {}
    splits: dict[Name, SplitPlan] = {}
    # Which plan splits which sales, where it is not the channel's own; the first that fits.
    split_choices: tuple[SplitChoice, ...] = ()
    # The tax in prices, for plans that ask; the first that fits.
    tax: tuple[TaxRate, ...] = ()
    buyers: Buyers = Buyers()
    segments: dict[Name, Segment] = {}
    group_offers: dict[Name, GroupOffer] = {}
    coupons: dict[Name, CouponSeries] = {}
    channels: dict[Name, Channel] = {}

    _origins: Origins | None = PrivateAttr(default=None)
    _fetched: Mapping[KeyPath, str] = PrivateAttr(default_factory=dict)
    _warnings: tuple[Problem, ...] = PrivateAttr(default=())
    _plan_files: Mapping[str, PlanFile] = PrivateAttr(default_factory=dict)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed in: load() reads the sources itself, to know where each value stands."""
        return (init_settings,)

    @classmethod
    def load(cls, file: Path | None = None, environ: Mapping[str, str] | None = None) -> Self:
        """Read file and environment; SettingsRefused tells everything that has to be mended at once.

        Without a file: $CONSIGND_CONFIG, ./consignd.toml, or defaults alone.
        """
        environ = os.environ if environ is None else environ
        found = find_file(file, environ)
        document = read_document(found) if found else None
        environment: Tree = EnvironmentSource(cls, environ)()
        origins = Origins(document, environment, variables_in(environ))
        resolver = Resolver(environ, found.parent if found else Path())
        written = {name: resolver.resolve(value, (name,)) for name, value in _merged(origins).items()}
        settings, refusals = cls._judge({"data_dir": default_data_dir(environ), **written}, resolver.problems)
        if settings is None:
            raise SettingsRefused(_placed(refusals, origins))
        folder = found.parent if found else Path()
        settings._plan_files = read_plan_files(settings.splits, settings.segments, folder)
        settings._origins, settings._fetched = origins, resolver.fetched
        settings._warnings = tuple(
            _placed([*resolver.warnings, *_open_file(resolver, origins)], origins)
        ) + tuple(_unused_variables(cls, origins, document.data if document else {}))
        return settings

    @classmethod
    def _judge(
        cls, written: Tree, known: Sequence[tuple[KeyPath, str]]
    ) -> tuple[Self | None, list[tuple[KeyPath, str]]]:
        refusals = [*known, *_unknown_plans(written), *unknown_tiers(written), *unknown_routes(written)]
        refusals += [*unknown_choices(written), *unknown_channels(written)]
        refusals += unknown_group_channels(written)
        refusals += unknown_tax_channels(written)
        refusals += unknown_coupon_names(written)
        # The library takes names with a leading underscore for arguments of its own.
        hidden = [name for name in written if name.startswith("_")]
        refusals += [((name,), unknown_key(name, tuple(cls.model_fields))) for name in hidden]
        settings = None
        try:
            settings = cls.model_validate(
                {name: value for name, value in written.items() if name not in hidden}
            )
        except ValidationError as refused:
            seen = {path for path, _ in refusals}
            refusals += [(path, text) for path, text in explain(refused, cls) if path not in seen]
        return (None if refusals else settings), refusals

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is allowed but unwise, such as secrets that everyone on the machine may read."""
        return self._warnings

    def plan_file(self, name: str) -> PlanFile | None:
        """The file of a split plan, where it stands in one."""
        return self._plan_files.get(name)

    def origin(self, path: KeyPath) -> str:
        """Where a value comes from: "default", "consignd.toml:14" or "environment CONSIGND_WEB__PORT"."""
        place = self._origins.of(path) if self._origins else None
        if place is None:
            return "default"
        source, line = place
        origin = f"environment {source}" if line is None else f"{source}:{line}"
        return f"{origin}, from {self._fetched[path]}" if path in self._fetched else origin

    def option_problems(
        self, channel: str, refused: ValidationError, options: type[BaseModel]
    ) -> list[Problem]:
        """What a connector's own model refused among a channel's options, placed like our own refusals."""
        above: KeyPath = ("channels", channel, "options")
        refusals = [((*above, *path), text) for path, text in explain(refused, options)]
        return _placed(refusals, self._origins or Origins(None, {}, {}))

    def secret_values(self) -> frozenset[str]:
        """Every secret in clear, for the log's scrubber alone."""
        secrets = frozenset(_secrets_in(self))
        passwords = (_password(secret) for secret in secrets)
        return secrets.union(*passwords, self.alerts.address_parts()) - {""}


def _merged(origins: Origins) -> Tree:
    return merge(origins.document.data if origins.document else {}, origins.environment)


def _placed(refusals: Sequence[tuple[KeyPath, str]], origins: Origins) -> list[Problem]:
    """Problems in the order of the file; those of the environment come last."""
    problems = [Problem(*origins.nearest(path), dotted(path), text) for path, text in refusals]
    return sorted(problems, key=lambda problem: (problem.line is None, problem.line or 0, problem.source))


def _unknown_plans(written: Tree) -> Iterator[tuple[KeyPath, str]]:
    """Channels whose split plan does not exist; read from raw values, so that no other error hides it."""
    plans, channels = written.get("splits", {}), written.get("channels", {})
    if not isinstance(channels, dict) or not isinstance(plans, dict):
        return
    for name, channel in channels.items():
        plan = channel.get("split", "default") if isinstance(channel, dict) else None
        if isinstance(plan, str) and plan not in plans:
            others = f", or split = one of {', '.join(plans)}" if plans else ""
            yield (
                ("channels", name, "split"),
                f"no split plan is named {plan}: write [splits.{plan}] with its rules{others}",
            )


def _open_file(resolver: Resolver, origins: Origins) -> Iterator[tuple[KeyPath, str]]:
    if origins.document is None:
        return
    literal = [path for path in resolver.literal if not _in_environment(path, origins)]
    if literal and origins.document.path.stat().st_mode & stat.S_IROTH:
        yield (
            literal[0],
            f"a secret stands in a file that everyone may read: chmod 600 {origins.document.path}",
        )


def _in_environment(path: KeyPath, origins: Origins) -> bool:
    place = origins.of(path)
    return place is not None and place[1] is None


def _unused_variables(model: type[BaseModel], origins: Origins, data: Tree) -> Iterator[Problem]:
    """Variables with our prefix that set nothing; not refused, as Kubernetes makes up such names."""
    used = set(_names_pointed_at(data))
    for capitals, name in sorted(origins.variables.items()):
        first = capitals.removeprefix("CONSIGND_").lower().split("__")[0]
        if first not in model.model_fields and name not in used:
            yield Problem(name, None, "", "sets nothing; " + unknown_key(first, tuple(model.model_fields)))


def _names_pointed_at(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"env"} and isinstance(value["env"], str):
            yield value["env"]
        for part in value.values():
            yield from _names_pointed_at(part)
    elif isinstance(value, list):
        for part in value:
            yield from _names_pointed_at(part)


def _secrets_in(value: object) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        for _, part in value:
            yield from _secrets_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from _secrets_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _secrets_in(part)


def _password(secret: str) -> frozenset[str]:
    """The password inside an address, as written and decoded."""
    try:
        password = urlsplit(secret).password or ""
    except ValueError:
        return frozenset()
    return frozenset({password, unquote(password)})
