"""Studies in files: YAML, or Python with a `CompareConfig` called `study`."""

import runpy
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import yaml

from memagents.kinds import check_kinds
from memagents.runs.config import literal, parse_count
from memagents.runs.validation import did_you_mean
from memagents.studies.config import CompareConfig

NAME = "study"
"""What a Python file calls its study."""

FORMATS = (".py", ".yaml", ".yml")


def load_study(file: Path) -> CompareConfig:
    """Reads a study. Unless it says where it is kept, that is `runs/` and the name of the file.

    Python is run, as `python FILE` would run it, so only run what you trust; YAML is only read.

    Raises:
        ValueError: if there is no such file, or it does not describe a study.
    """
    if file.suffix not in FORMATS:
        raise ValueError(f"a study is a file that ends in {', '.join(FORMATS)}, got {str(file)!r}")
    if not file.is_file():
        raise ValueError(f"there is no study {file}")
    return from_python(file) if file.suffix == ".py" else from_yaml(file)


def from_python(file: Path) -> CompareConfig:
    """The study that a Python file defines."""
    study = runpy.run_path(str(file)).get(NAME)
    if not isinstance(study, CompareConfig):
        raise ValueError(f"{file} must define {NAME} = CompareConfig(...), of memagents.studies.config; got {study!r}")
    return study


def from_yaml(file: Path) -> CompareConfig:
    """The study that a YAML file describes, in the words of `CompareConfig`."""
    try:
        described = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} is not YAML: {error}") from error
    if not isinstance(described, dict) or not all(isinstance(name, str) for name in described):
        raise ValueError(f"{file} must be a mapping such as 'env: [...]', got {type(described).__name__}")
    try:
        return study_of({"folder": Path("runs") / file.stem, **described})
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def study_of(described: Mapping[str, Any]) -> CompareConfig:
    """A study from plain data.

    Raises:
        ValueError: for a name that is none, with the nearest; for a value of another kind; and without environments.
    """
    known = {field.name: field for field in fields(CompareConfig)}
    for name in described:
        if name not in known:
            raise ValueError(f"a study has no {name!r}{did_you_mean(name, known)}; it has {', '.join(known)}")
    if "env" not in described:
        raise ValueError("a study needs env: the ids of one or more environments")
    settings = {name: plain(value) for name, value in described.items()}
    if isinstance(settings.get("match_parameters"), str):
        settings["match_parameters"] = parse_count(settings["match_parameters"])
    if isinstance(settings.get("folder"), str):
        settings["folder"] = Path(settings["folder"])
    check_kinds(settings, get_type_hints(CompareConfig))
    own = settings.get("own", {})
    check_kinds(own, dict.fromkeys(own, dict[str, Any]), "own: ")
    for axis, entries in own.items():
        check_kinds(entries, dict.fromkeys(entries, dict[str, Any]), f"own, {axis}: ")
    return CompareConfig(**settings)


def plain(value: Any, inside: bool = False) -> Any:
    """What YAML gives, as a configuration has it: lists are tuples, and texts inside of arguments are read as on the
    command line. (To YAML `1e-3` is a text.)"""
    if isinstance(value, dict):
        return {name: plain(each, True) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each, True) for each in value] if inside else tuple(value)
    return literal(value) if inside and isinstance(value, str) else value
