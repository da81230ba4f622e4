"""Shows the sealing keys' use, and moves what they wrap under a new one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import click
from rich.progress import Progress

from config.settings import Settings
from core.codes.keys import Keyring, add_key_to_file
from core.codes.vault_store import Rotated, Rotating, keys_in_use, retired_keys, rotate
from scheduler.cli.options import json_option
from scheduler.cli.output import Cells, bar, note, print_json, say
from scheduler.cli.session import Session, Terminated, pass_session
from scheduler.composition import key_file, open_core, read_keyring


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key that the database knows, or that is at hand."""

    key_id: str
    current: bool
    at_hand: bool
    batches: int
    series: int
    seeds: int
    fingerprint: bool

    @property
    def wraps(self) -> tuple[int, int, int]:
        """How many of each."""
        return self.batches, self.series, self.seeds


@dataclass(frozen=True, slots=True)
class Rotation:
    """What a rotation did; retired keys wrap nothing any more."""

    current: str
    rewrapped: int
    already: int
    retired: tuple[str, ...]


@click.group("keys", no_args_is_help=True)
def keys() -> None:
    """Show and rotate the keys that seal the codes."""


@keys.command("list")
@json_option
@pass_session
def list_keys(session: Session, as_json: bool) -> None:
    """Show which keys there are and what they still wrap; never the keys themselves.

    JSON: {"keys": [{"key_id", "current", "at_hand", "batches", "series", "seeds", "fingerprint"}]}.
    """
    states = session.drive(_states(session.settings()))
    if as_json:
        print_json({"keys": states})
        return
    numbers = ["batches", "coupon series", "seeds"]
    table = Cells("key", "current", "at hand", *numbers, "fingerprint key", right=numbers)
    for state in states:
        table.add(state.key_id, state.current, state.at_hand, *state.wraps, state.fingerprint)
    table.show()


async def _states(settings: Settings) -> list[KeyState]:
    async with open_core(settings) as core, core.pool.acquire() as conn:
        uses = await keys_in_use(conn)
    keyring = core.vault.keyring
    return [
        KeyState(
            use.key_id,
            use.key_id == keyring.current,
            use.key_id in keyring.keys,
            use.batches,
            use.series,
            use.seeds,
            use.fingerprint,
        )
        for use in uses
    ]


@keys.command("rotate")
@click.option("--finish", is_flag=True, help="Add no key; go on with a rotation that was interrupted.")
@json_option
@pass_session
def rotate_keys(session: Session, finish: bool, as_json: bool) -> None:
    """Wrap everything under a new key; the codes themselves are not touched, and daemons may run meanwhile.

    With keys in the settings, the current one is the new key: add it there and restart the daemons first.
    Otherwise a fresh key is added to the data directory's key file. Old keys stay until you remove them.

    JSON: {"current", "rewrapped", "already", "retired": [key_id]}.
    """
    settings = session.settings()
    with bar("rotating", as_json=as_json) as progress:
        try:
            rotation = session.drive(_rotate(settings, finish, _follow(progress)))
        except (KeyboardInterrupt, Terminated):
            note("consignd: every key still opens what it wraps; `consignd keys rotate --finish` goes on")
            raise
    if as_json:
        print_json(rotation)
        return
    moved = f"batches moved to it: {rotation.rewrapped}, there before: {rotation.already}"
    say(f"{rotation.current} is the current key; {moved}")
    if rotation.retired:
        say(f"these keys wrap nothing any more: {', '.join(rotation.retired)}")
    if not settings.keys.files:
        say(f"keep a copy of {key_file(settings)} elsewhere: without it no code opens")


async def _rotate(settings: Settings, finish: bool, progress: Callable[[Rotating], None]) -> Rotation:
    async with open_core(settings, "consignd keys") as core:
        # The keys at hand are the database's own, or opening it had refused them.
        keyring = _new_keyring(settings, finish)
        done: Rotated = await rotate(core.pool, keyring, progress)
        async with core.pool.acquire() as conn:
            retired = [key_id for key_id in await retired_keys(conn) if key_id != keyring.current]
    return Rotation(keyring.current, done.batches, done.already, tuple(retired))


def _new_keyring(settings: Settings, finish: bool) -> Keyring:
    if finish or settings.keys.files:
        return read_keyring(settings)
    return add_key_to_file(key_file(settings))


def _follow(progress: Progress | None) -> Callable[[Rotating], None]:
    def follow(now: Rotating) -> None:
        if progress is not None:
            said = f"{now.done} of {now.total} batches"
            progress.update(progress.task_ids[0], completed=now.done, total=now.total, said=said)

    return follow
