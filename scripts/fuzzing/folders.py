"""What can be done to the folder of a run: a part of `fuzz.py`."""

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeAlias

from fuzzing.files import RAW
from fuzzing.trees import TREE_DAMAGES, TreeDamage, as_text

FolderDamage: TypeAlias = Callable[[Path, Random], str]


def chosen(folder: Path, random: Random) -> Path:
    """One of the files of a run; the temporary files of a process that was killed count too."""
    return random.choice(sorted(path for path in folder.rglob("*") if path.is_file()))


def json_damaged(folder: Path, random: Random, damage: TreeDamage) -> str:
    """Another value in run.json or evaluation.json."""
    file = random.choice([path for path in (folder / "run.json", folder / "evaluation.json") if path.exists()])
    tree, told = damage(json.loads(file.read_text()), random)
    file.write_bytes(as_text(tree))
    return f"{file.name}: {told}"


def bytes_damaged(folder: Path, random: Random) -> str:
    file, name = chosen(folder, random), random.choice(["bits flipped", "truncated", "doubled", "zeroed", "replaced"])
    whole, told = RAW[name](file.read_bytes(), random)
    file.write_bytes(whole)
    return f"{file.name}: {told}"


def file_missing(folder: Path, random: Random) -> str:
    file = chosen(folder, random)
    file.unlink()
    return f"{file.name} removed"


def folder_instead(folder: Path, random: Random) -> str:
    file = chosen(folder, random)
    file.unlink()
    file.mkdir()
    return f"a folder in the place of {file.name}"


def pipe_instead(folder: Path, random: Random) -> str:
    """Nobody ever writes into it: who opens it to read waits for ever."""
    file = chosen(folder, random)
    file.unlink()
    os.mkfifo(file)
    return f"a pipe in the place of {file.name}"


def link_instead(folder: Path, random: Random) -> str:
    file, target = chosen(folder, random), random.choice(("nowhere", "run.json", ".", "/dev/zero", "/dev/null"))
    file.unlink()
    file.symlink_to(file.name if target == "run.json" else target)
    return f"a link to {target} in the place of {file.name}"


def planted_link(folder: Path, random: Random) -> str:
    """A link where a run is about to write, to a file that is none of its own."""
    names = "run.lock", ".run.json.partial", "metrics.jsonl", "checkpoints/.final.zip.partial", "checkpoints/LATEST"
    place = folder / random.choice(names)
    place.unlink(missing_ok=True)
    place.symlink_to(folder.parents[1] / "valid" / "victim")
    return f"{place.name} is a link to a file elsewhere"


def checkpoints_missing(folder: Path, random: Random) -> str:
    for path in (folder / "checkpoints").iterdir():
        path.unlink()
    if random.random() < 0.5:
        (folder / "checkpoints").rmdir()
        (folder / "checkpoints").write_text("a file")
        return "a file in the place of the checkpoints"
    return "all checkpoints removed"


def files_swapped(folder: Path, random: Random) -> str:
    one, other = chosen(folder, random), chosen(folder, random)
    contents = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(contents)
    return f"{one.name} and {other.name} swapped"


def odd_file(folder: Path, random: Random) -> str:
    names = ".step-000000048.zip.partial", "step-x.zip", "\udce4.zip", "step-999999999.zip", "failed.zip", "run.lock"
    name = random.choice(names)
    (folder if name == "run.lock" else folder / "checkpoints").joinpath(name).write_bytes(random.randbytes(9))
    return f"a file called {name!a}"


FOLDER_DAMAGES: dict[str, FolderDamage] = {
    **{name: partial(json_damaged, damage=damage) for name, damage in TREE_DAMAGES.items()},
    "bytes damaged": bytes_damaged,
    "file missing": file_missing,
    "folder instead of a file": folder_instead,
    "pipe instead of a file": pipe_instead,
    "link instead of a file": link_instead,
    "planted link": planted_link,
    "checkpoints missing": checkpoints_missing,
    "files swapped": files_swapped,
    "odd file": odd_file,
}
