"""Model files whose parts say something else, with sizes and hashes that are right."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

from safetensors.torch import load, save

from memagents.agents.archives import MANIFEST, sha256


def parts_of(contents: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(contents)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, contents in parts.items():
            archive.writestr(name, contents)
    return io.BytesIO(stream.getvalue())


def listed(parts: dict[str, bytes], **changed: bytes) -> dict[str, bytes]:
    """The parts with other contents, and a manifest that lists them: what somebody with bad intentions would make."""
    parts = parts | changed
    manifest = json.loads(parts[MANIFEST])
    names = [name for name in parts if name != MANIFEST]
    manifest["parts"] = {name: {"size": len(parts[name]), "sha256": sha256(parts[name])} for name in names}
    return parts | {MANIFEST: json.dumps(manifest).encode()}


def with_json(contents: bytes, section: str, change: Callable[[Any], Any]) -> io.BytesIO:
    """A file with another value in a section; `change` alters it, or gives one to take its place."""
    parts = parts_of(contents)
    value = json.loads(parts[f"{section}.json"])
    changed = change(value)
    text = json.dumps(value if changed is None else changed).encode()
    return zipped(listed(parts, **{f"{section}.json": text}))


def with_tensors(contents: bytes, section: str, change: Callable[[dict[str, Any]], Any]) -> io.BytesIO:
    """A file with other tensors in a section, which `change` alters."""
    parts = parts_of(contents)
    tensors = load(parts[f"{section}.safetensors"])
    change(tensors)
    return zipped(listed(parts, **{f"{section}.safetensors": save(tensors)}))
