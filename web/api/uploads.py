"""Takes in the files that callers send: a form's fields, then the file, in a folder of its own."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePath

from aiohttp import BodyPartReader, web

from web.api.problems import Problem
from web.api.route import Call, ModelT

_FIELD_LIMIT_BYTES = 4096
_CHUNK_BYTES = 1 << 18
_FIELDS_AT_MOST = 16


@asynccontextmanager
async def uploaded(
    call: Call, form: type[ModelT], at_most_bytes: int, otherwise_named: str
) -> AsyncIterator[tuple[ModelT, Path]]:
    """The form's fields and its file.

    The file keeps its name, because the name's end says which kind of file it is and what comes of it is
    known by it.
    """
    if not call.raw.content_type.startswith("multipart/form-data"):
        raise Problem(415, "Not understood", "send multipart/form-data: the fields, then the part `file`")
    with tempfile.TemporaryDirectory(dir=call.services.upload_dir, prefix="import-") as folder:
        fields: dict[str, str] = {}
        reader = await call.raw.multipart()
        async for part in reader:
            if not isinstance(part, BodyPartReader) or part.name is None:
                raise Problem(422, "Not understood", "each part of the form needs a name and plain content")
            if part.name == "file":
                path = Path(folder) / (_safe_name(part.filename) or otherwise_named)
                await _store(part, path, at_most_bytes)
                yield form.model_validate(fields), path
                return
            if len(fields) >= _FIELDS_AT_MOST:
                raise Problem(422, "Not understood", f"more than {_FIELDS_AT_MOST} fields before the file")
            fields[part.name] = (await part.read_chunk(_FIELD_LIMIT_BYTES)).decode("utf-8", "replace")
        raise Problem(422, "Not understood", "the part `file` is missing; it comes last in the form")


async def _store(part: BodyPartReader, path: Path, at_most_bytes: int) -> None:
    size = 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        while chunk := await part.read_chunk(_CHUNK_BYTES):
            size += len(chunk)
            if size > at_most_bytes:
                raise web.HTTPRequestEntityTooLarge(at_most_bytes, size)
            await asyncio.to_thread(file.write, chunk)


def _safe_name(given: str | None) -> str:
    """The last part of the name, in plain signs."""
    name = PurePath((given or "").replace("\\", "/")).name
    kept = "".join(sign if sign.isalnum() or sign in "._- " else "_" for sign in name)[-100:]
    return kept.lstrip(".")
