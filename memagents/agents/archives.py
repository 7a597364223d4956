"""Archives of sections: a zip file of JSON and safetensors with the size and the SHA-256 of every part.

    manifest.json         what the file is, its schema, and the table of its parts
    <section>.json        a value, in the encoding of `encoding.py`
    <section>.safetensors its tensors and arrays

Reading trusts nothing: parts are stored uncompressed, so that none can be larger than the file; none is written to
disk, none is unpickled, and a part that the table leaves out is refused.
"""

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetensors import TensorSpec, serialize
from safetensors.torch import load as load_tensors
from torch import Tensor

from memagents.agents.encoding import Decoder, Encoded, Encoder
from memagents.errors import (
    DamagedFileError,
    EmptyFileError,
    MemagentsError,
    MissingPartError,
    NewerSchemaError,
    NotAModelFileError,
    PickleRefusedError,
    TruncatedFileError,
    UnsafePartError,
)
from memagents.files import reading
from memagents.kinds import check_kinds

SCHEMA = 1
"""Of the file as a whole. A reader takes this and earlier ones."""

MANIFEST = "manifest.json"
PART = re.compile(r"[a-z_]+\.(json|safetensors)")
PICKLES = re.compile(r"(.*/)?data|.*\.(pth|pt|pkl|pickle)")
"""Parts of SB3's model files, and of what torch.save writes."""


def write_archive(about: dict[str, Any], sections: Mapping[str, Any], classes: Mapping[str, type]) -> bytes:
    """An archive of the values in `sections`, of which some may be encoded already; `about` says what it is.

    Raises:
        NotPlainError: if a value cannot be expressed.
    """
    parts: dict[str, bytes] = {}
    for section, value in sections.items():
        encoded = value if isinstance(value, Encoded) else Encoder(classes).section(value, section)
        parts[f"{section}.json"] = as_json(encoded.json)
        parts[f"{section}.safetensors"] = save_tensors(encoded.tensors)
    table = {name: {"size": len(part), "sha256": sha256(part)} for name, part in parts.items()}
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(MANIFEST, as_json({"schema": SCHEMA, **about, "parts": table}))
        for name, part in parts.items():
            archive.writestr(name, part)
    return stream.getvalue()


def save_tensors(tensors: Mapping[str, Tensor]) -> bytes:
    """Contiguous tensors of the CPU as safetensors, whose own `save` takes three times as long for asking more."""
    return bytes(serialize({name: spec(tensor) for name, tensor in tensors.items()}))


def spec(tensor: Tensor) -> TensorSpec:
    """Where a tensor stands, which must be there while it is written."""
    kind = str(tensor.dtype).removeprefix("torch.")
    return TensorSpec(dtype=kind, shape=tensor.shape, data_ptr=tensor.data_ptr(), data_len=tensor.nbytes)


@dataclass(frozen=True)
class Archive:
    """A verified archive.

    Attributes:
        name: what messages call the file.
        about: what the file says of itself.
        parts: all parts, as their hashes say they were written.
    """

    name: str
    about: dict[str, Any]
    parts: dict[str, bytes]

    def section(self, section: str, classes: Mapping[str, type] | None = None) -> Any:
        """The value of a section.

        Raises:
            MissingPartError: if there is no such section.
            CheckpointError: see `Decoder.decode`.
        """
        encoded, decoder = self.encoded(section, classes)
        with reading(f"{self.name}: section {section!r}"):
            return decoder.decode(encoded)

    def encoded(self, section: str, classes: Mapping[str, type] | None = None) -> tuple[Any, Decoder]:
        """A section as JSON, and what decodes it."""
        for part in (f"{section}.json", f"{section}.safetensors"):
            if part not in self.parts:
                raise MissingPartError(f"{self.name} has no part {part!r}; it has {', '.join(self.parts)}")
        with reading(f"{self.name}: section {section!r}"):
            tensors = load_tensors(self.parts[f"{section}.safetensors"])
            return json.loads(self.parts[f"{section}.json"]), Decoder(tensors, classes)


def read_archive(file: io.BufferedIOBase, name: str) -> Archive:
    """Reads and verifies an archive.

    Raises:
        CheckpointError: of the kind that says what is wrong with it.
    """
    start = first_bytes(file)
    if not start:
        raise EmptyFileError(f"{name} is empty: its writing never began, or the disk was full")
    if start.startswith(b"\x80"):
        raise PickleRefusedError(f"{name} is a pickle, which can run any code when it is read")
    if not start.startswith(b"PK\x03\x04"):
        raise NotAModelFileError(f"{name} wasn't a zip-file, as models are")
    if not zipfile.is_zipfile(file):
        raise TruncatedFileError(f"{name} breaks off before its end: it was not written or copied whole")
    try:
        with zipfile.ZipFile(file) as archive:
            return verified(archive, name, size=file.seek(0, io.SEEK_END))
    except MemagentsError:
        raise
    # What zipfile raises depends on which byte is wrong.
    except Exception as error:
        raise DamagedFileError(f"{name} is damaged: {error}") from error


def verified(archive: zipfile.ZipFile, name: str, size: int) -> Archive:
    """The parts of an open archive of so many bytes, if they are what its manifest says."""
    check_names(archive, name)
    check_sizes(archive, name, size)
    manifest = read_manifest(archive, name)
    table, parts = manifest.pop("parts"), {}
    if extra := sorted(set(archive.namelist()) - {MANIFEST, *table}):
        raise UnsafePartError(f"{name} holds {', '.join(extra)}, which its manifest does not list")
    for part, expected in table.items():
        if part not in archive.namelist():
            raise MissingPartError(f"{name} has no part {part!r}, which its manifest lists")
        contents = archive.read(part)
        if (len(contents), sha256(contents)) != (expected.get("size"), expected.get("sha256")):
            raise DamagedFileError(
                f"{name} is damaged: {part} has {len(contents)} bytes of SHA-256 {sha256(contents)[:12]}, expected "
                f"{expected.get('size')} of {str(expected.get('sha256'))[:12]}"
            )
        parts[part] = contents
    return Archive(name, manifest, parts)


def check_sizes(archive: zipfile.ZipFile, name: str, size: int) -> None:
    """Refuses parts that say they hold more than the file does: they lie inside each other, or lie."""
    claimed = sum(max(part.file_size, part.compress_size) for part in archive.infolist())
    if claimed > size:
        raise UnsafePartError(f"{name} has {size:,} bytes, and its parts claim {claimed:,}")


def check_names(archive: zipfile.ZipFile, name: str) -> None:
    """Refuses parts that no archive of ours has, before any is read."""
    for part in archive.infolist():
        if PICKLES.fullmatch(part.filename):
            raise PickleRefusedError(
                f"{name} holds {part.filename!r}, a pickle or part of a model of stable-baselines3, which can run any "
                "code when it is read. If you trust whoever made it: load(..., trust_pickle=True); its weights alone "
                "can be had without, by set_parameters()"
            )
        if not PART.fullmatch(part.filename):
            raise UnsafePartError(f"{name} holds a part called {part.filename!r}, as no model file does")
        if part.compress_type != zipfile.ZIP_STORED:
            raise UnsafePartError(f"{name}: {part.filename} is compressed, and models are not")
    if len(set(archive.namelist())) < len(archive.namelist()):
        raise UnsafePartError(f"{name} holds two parts of one name")


def read_manifest(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """What the file says of itself, if this version can read it."""
    if MANIFEST not in archive.namelist():
        raise MissingPartError(f"{name} has no {MANIFEST}, so it is no model of this package")
    with reading(f"{name}: {MANIFEST}"):
        manifest: dict[str, Any] = json.loads(archive.read(MANIFEST))
        schema = manifest["schema"]
        check_kinds(manifest, {"schema": int, "parts": dict[str, Any], "versions": dict[str, Any]})
        check_kinds(manifest["parts"], dict.fromkeys(manifest["parts"], dict[str, Any]), where="parts: ")
    if schema > SCHEMA:
        raise NewerSchemaError(
            f"{name} has schema {schema}, and this version of memagents reads up to {SCHEMA}; it was written by "
            f"version {manifest.get('versions', {}).get('memagents', 'unknown')}: install that or a later one"
        )
    return manifest


def first_bytes(file: io.BufferedIOBase) -> bytes:
    """How a file begins. A stream that was just written to stands at its end."""
    file.seek(0)
    start = file.read(4)
    file.seek(0)
    return start


def as_json(value: Any) -> bytes:
    """JSON in one line: with an indent, Python's encoder does without its part in C and is several times slower."""
    return json.dumps(value, allow_nan=False).encode()


def sha256(contents: bytes) -> str:
    """The SHA-256 of some bytes, in hexadecimal."""
    return hashlib.sha256(contents).hexdigest()
