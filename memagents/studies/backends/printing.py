"""Runs as commands, for whatever starts them."""

import shlex
from dataclasses import MISSING, fields
from typing import Any

from memagents.runs.config import TrainConfig, parse_arguments


def command(config: TrainConfig) -> str:
    """The command that trains a run, as one types it into a shell: all that is not by default.

    Raises:
        ValueError: if the configuration holds what cannot be written on a command line.
    """
    words = ["memagents", "train"]
    for field in fields(config):
        value = getattr(config, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            words += [f"--{field.name.replace('_', '-')}", *written(value)]
    return shlex.join(words)


def written(value: Any) -> list[str]:
    """The words after a flag."""
    if value is True:
        return []
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, dict):
        return [str(value)]
    words = [argument(name, entry) for name, entry in value.items()]
    if parse_arguments(words) != value:
        raise ValueError(f"{value} cannot be written on a command line, which holds numbers, texts and lists of them")
    return words


def argument(name: str, value: Any) -> str:
    """`name=value`; a text that would be read as something else is put in quotes."""
    plain = f"{name}={value}"
    return plain if parse_arguments([plain]) == {name: value} else f"{name}={value!r}"
