"""What can be written into the parts of a model file: a part of `fuzz.py`.

After the damages of `REHASHED` sizes and hashes are right again, as only somebody with bad intentions would make them.
"""

import io
import json
import pickle
import zipfile
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import TypeAlias

import torch
from fuzzing.trees import TREE_DAMAGES, TreeDamage, as_text
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from memagents.agents.archives import MANIFEST, sha256

Damaged: TypeAlias = tuple[bytes, str]
Damage: TypeAlias = Callable[[bytes, Random], Damaged]
Parts: TypeAlias = dict[str, bytes]

PICKLE = pickle.dumps(print)
"""Whoever unpickles it looks for a function, which `fuzz.py` notices."""

PATHS = ("../evil.json", "/etc/evil.json", "a/b.json", "..\\evil.json", "C:evil.json", "evil.json/", "\u202enosj.json")
PICKLES = ("data", "policy.pth", "x.pkl", "deep/x.pickle", "pytorch_variables.pth")


def parts_of(whole: bytes) -> Parts:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(parts: Mapping[str | zipfile.ZipInfo, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, contents in parts.items():
            archive.writestr(name, contents)
    return stream.getvalue()


def listed(parts: Parts) -> Parts:
    """The parts with a manifest that lists them as they are."""
    manifest = json.loads(parts[MANIFEST])
    table = {name: {"size": len(part), "sha256": sha256(part)} for name, part in parts.items() if name != MANIFEST}
    return parts | {MANIFEST: json.dumps(manifest | {"parts": table}).encode()}


def torch_saved() -> bytes:
    stream = io.BytesIO()
    torch.save({"x": print}, stream)
    return stream.getvalue()


def json_damage(whole: bytes, random: Random, damage: TreeDamage) -> Damaged:
    parts = parts_of(whole)
    name = random.choice([name for name in parts if name.endswith(".json") and name != MANIFEST])
    tree, told = damage(json.loads(parts[name]), random)
    return zipped(listed(parts | {name: as_text(tree)})), f"{name}: {told}"


def manifest_damage(whole: bytes, random: Random, damage: TreeDamage) -> Damaged:
    """The manifest alone needs no hash to be right."""
    parts = parts_of(whole)
    tree, told = damage(json.loads(parts[MANIFEST]), random)
    return zipped(parts | {MANIFEST: as_text(tree)}), f"{MANIFEST}: {told}"


def newer_schema(whole: bytes, random: Random) -> Damaged:
    parts, schema = parts_of(whole), random.choice((2, 99, 10**30))
    manifest = json.loads(parts[MANIFEST]) | {"schema": schema}
    return zipped(parts | {MANIFEST: json.dumps(manifest).encode()}), f"schema {schema}"


def chosen_tensors(parts: Parts, random: Random) -> str:
    names = [name for name, part in parts.items() if name.endswith(".safetensors") and len(part) > 16]
    return random.choice(names)


def header_damage(whole: bytes, random: Random, damage: TreeDamage) -> Damaged:
    """The table in front of tensors: names, types, shapes and offsets."""
    parts = parts_of(whole)
    name = chosen_tensors(parts, random)
    length = int.from_bytes(parts[name][:8], "little")
    tree, told = damage(json.loads(parts[name][8 : 8 + length]), random)
    header = as_text(tree)
    tensors = len(header).to_bytes(8, "little") + header + parts[name][8 + length :]
    return zipped(listed(parts | {name: tensors})), f"{name}: {told}"


def false_header(whole: bytes, random: Random) -> Damaged:
    parts = parts_of(whole)
    name, length = chosen_tensors(parts, random), random.choice((0, 1, 7, 10**6, 2**31, 2**63, 2**64 - 1))
    return zipped(listed(parts | {name: length.to_bytes(8, "little") + parts[name][8:]})), f"{name}: length {length}"


def other_tensors(whole: bytes, random: Random) -> Damaged:
    """Tensors of other values, types and shapes, in a file that is otherwise as it should be."""
    parts = parts_of(whole)
    name = chosen_tensors(parts, random)
    tensors = load_tensors(parts[name])
    key, change = random.choice(list(tensors)), random.choice(list(CHANGES))
    tensors[key] = CHANGES[change](tensors[key]).contiguous()
    return zipped(listed(parts | {name: save_tensors(tensors)})), f"{name}: {key} {change}"


CHANGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "all NaN": lambda tensor: torch.full(tensor.shape, torch.nan),
    "all infinite": lambda tensor: torch.full(tensor.shape, torch.inf),
    "all huge": lambda tensor: torch.full(tensor.shape, 1e38),
    "all zero": torch.zeros_like,
    "as complex numbers": lambda tensor: tensor.to(torch.complex64),
    "as bytes": lambda tensor: tensor.to(torch.uint8),
    "as half floats": lambda tensor: tensor.to(torch.bfloat16),
    "as doubles": lambda tensor: tensor.double(),
    "one row less": lambda tensor: tensor.reshape(-1)[1:],
    "empty": lambda tensor: tensor.reshape(-1)[:0],
    "one axis more": lambda tensor: tensor[None],
    "one axis": lambda tensor: tensor.reshape(-1),
    "ten times": lambda tensor: tensor.reshape(-1).repeat(10),
}

REHASHED: dict[str, Damage] = {
    **{f"JSON: {name}": partial(json_damage, damage=damage) for name, damage in TREE_DAMAGES.items()},
    **{f"tensors: {name}": partial(header_damage, damage=damage) for name, damage in TREE_DAMAGES.items()},
    "tensors: false header length": false_header,
    "tensors: other values, types, shapes": other_tensors,
}
MANIFESTS: dict[str, Damage] = {
    **{f"manifest: {name}": partial(manifest_damage, damage=damage) for name, damage in TREE_DAMAGES.items()},
    "manifest: newer schema": newer_schema,
}
