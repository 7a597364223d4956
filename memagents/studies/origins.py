"""Where runs come from, in words."""

from collections.abc import Sequence
from typing import Any

from memagents.runs.results import RunResult


def origins(runs: Sequence[RunResult]) -> dict[str, list[str]]:
    """Where the runs come from; more than one value where they differ."""
    records = [run.record for run in runs]
    versions = {name: distinct(record["versions"][name] for record in records) for name in records[0]["versions"]}
    return {
        "steps": distinct(record["timesteps"] for record in records),
        "seeds": distinct(run.config.seed for run in runs),
        "commit": distinct(commit(record) for record in records),
        "hardware": distinct(hardware(record) for record in records),
        **versions,
        "command": distinct(record["command"] for record in records),
    }


def distinct(values: Any) -> list[str]:
    """Each value once, as text, in the order of first appearance."""
    return list(dict.fromkeys(map(str, values)))


def commit(record: dict[str, Any]) -> str:
    """The commit of a run, marked where files differed from it."""
    return f"{record['commit']}{' with changes' if record['modified'] else ''}"


def hardware(record: dict[str, Any]) -> str:
    """The machine of a run, in words."""
    machine = record["hardware"]
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    threads = f"{record['torch_threads']} torch threads"
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB{gpu}"
    return f"{where}, {threads}, {record['device']}"
