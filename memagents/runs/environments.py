"""What a package of environments offers, as text. To this one it is a name, and imported when it is asked about.

It may have `FAMILIES`, single environments by the name in their ids, each with a `family` that says what it `tests`,
its `knob` and its `grades`; and a module `suites` with `SUITES`, of which each has a `title`, what it `tests`, its
`module`, what is `missing`, how to `install` it, and its `ids()`.
"""

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

import gymnasium


def registered(package: str) -> list[str]:
    """The ids that importing a package registers, as `--env` takes them; none if it is not installed."""
    try:
        importlib.import_module(package)
    except ImportError:
        return []
    entry_points = {env_id: str(spec.entry_point) for env_id, spec in gymnasium.registry.items()}
    return [
        f"{package}:{env_id}"
        for env_id, entry_point in entry_points.items()
        if entry_point.startswith(f"{package}.") and not entry_point.startswith(f"{package}.suites.")
    ]


def describe(package: str) -> Iterator[str]:
    """Lines about the families of a package, and about the suites it adapts.

    Raises:
        ValueError: if it cannot be imported.
    """
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise ValueError(f"cannot import {package!r}, whose environments were asked for: {error}") from error
    families: Mapping[str, Any] = getattr(module, "FAMILIES", {})
    if families:
        yield f"families (--env {package}:<id>); the knobs are --env-kwargs, and with Easy, Medium or Hard they are set"
    for name, single in families.items():
        yield from map(indented, describe_family(name, single))
    try:
        suites: Mapping[str, Any] = importlib.import_module(f"{package}.suites").SUITES
    except ModuleNotFoundError:
        return
    yield "\nsuites of others (--env <module>:<id>)"
    for suite in suites.values():
        yield from map(indented, describe_suite(suite))


def describe_family(name: str, single: Any) -> Iterator[str]:
    """What a family tests, its knob and its grades."""
    ids = [spec.id for spec in gymnasium.registry.values() if str(spec.entry_point).endswith(f":{single.__name__}")]
    yield f"{ids[0] if ids else name}  {single.family.tests}"
    yield f"    {single.family.knob}"
    for grade, knobs in single.family.grades.items():
        yield f"    {grade}: {' '.join(f'{knob}={value}' for knob, value in knobs.items())}"


def describe_suite(suite: Any) -> Iterator[str]:
    """Whether a suite is installed: its ids, or how to install it."""
    yield f"{suite.title}: {suite.tests}"
    if suite.missing:
        yield f"    not installed ({', '.join(suite.missing)}): {suite.install}"
        return
    ids = [env_id.rpartition(":")[2] for env_id in suite.ids()]
    yield f"    {len(ids)} ids, from {suite.module}:{ids[0]} to {ids[-1]}"


def indented(line: str) -> str:
    """Two spaces to the right."""
    return f"  {line}"
