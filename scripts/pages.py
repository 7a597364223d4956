"""What the scripts that write a page share: where its numbers come from, and tables."""

import os
from collections.abc import Sequence
from typing import Any

import torch

from memagents.runs.provenance import installed, provenance


def origin(load_before: float | None = None) -> dict[str, Any]:
    """Commit, versions, hardware and command; where times are told, also the threads and how busy the machine was.

    Args:
        load_before: the load average of the last minute before times were taken.
    """
    found = provenance()
    found["command"] = f"python scripts/{found['command']}"
    found["versions"]["popgym"] = installed("popgym")
    if load_before is None:
        return found
    load = {"before": round(load_before, 2), "after": round(os.getloadavg()[0], 2)}
    return found | {"torch_threads": torch.get_num_threads(), "load_average": load}


def origin_list(found: dict[str, Any]) -> str:
    """What `origin` found, as a list."""
    machine, changed = found["hardware"], " with changes" if found["modified"] else ""
    gpu = f", {machine['gpu']}" if "gpu" in machine else ""
    lines = {
        "command": f"`{found['command']}`",
        "commit": f"{found['commit']}{changed}",
        "hardware": f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB{gpu}",
    }
    if "torch_threads" in found:
        lines["torch threads"] = found["torch_threads"]
    if "load_average" in found:
        load = found["load_average"]
        lines["load average of the last minute"] = (
            f"{load['before']} before the first round, {load['after']} after the last"
        )
    lines["versions"] = ", ".join(f"{package} {number}" for package, number in found["versions"].items())
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def table(header: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """A markdown table whose first columns, as many as `words`, hold words, and the others numbers."""
    rule = [":--" if column < words else "--:" for column in range(len(header))]
    return "\n".join(f"| {' | '.join(row)} |" for row in [header, rule, *rows])
