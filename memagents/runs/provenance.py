"""Where a result comes from: source, versions, machine and command."""

import os
import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

PACKAGES = ("memagents", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy")
SOURCE = Path(__file__).resolve().parents[1]


def provenance() -> dict[str, Any]:
    """What a reader needs to produce the same result again, but for the configuration."""
    return {
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        **source_state(),
        "versions": {"python": platform.python_version(), **{name: installed(name) for name in PACKAGES}},
        "hardware": hardware(),
    }


def now() -> str:
    """The time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def installed(package: str) -> str | None:
    """The installed version of a package."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def source_state(source: Path = SOURCE) -> dict[str, Any]:
    """The git commit of the package's source and whether files differ from it; both None outside a checkout."""
    # An environment inside somebody's repository holds an installed package that this repository does not track.
    if not git(source, "ls-files", "__init__.py"):
        return {"commit": None, "modified": None}
    return {"commit": git(source, "rev-parse", "HEAD"), "modified": bool(git(source, "status", "--porcelain", "."))}


def git(folder: Path, *arguments: str) -> str | None:
    """What git says, or None if it has nothing to say or is not there."""
    try:
        answer = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.strip() or None


def hardware() -> dict[str, Any]:
    """The processor, its usable cores, the memory, and the GPU if there is one."""
    gpu = {"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {"cpu": cpu_model(), "cores": usable_cores(), "memory_gib": memory_gib(), **gpu}


def cpu_model() -> str:
    """The processor's name as the kernel tells it, or its architecture."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def usable_cores() -> int:
    """Cores that this process may run on, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_gib() -> float | None:
    """The machine's memory, where the system tells it."""
    if "SC_PHYS_PAGES" not in getattr(os, "sysconf_names", {}):
        return None
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
