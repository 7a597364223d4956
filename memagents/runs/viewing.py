"""The dashboards of a folder of runs, served to this machine alone.

Each gets a folder of its own, for the time that it is looked at, in which the runs lie as it wants them: TensorBoard
links to event files in folders that are called like the runs, trackio one database with all of them.
"""

import os
import shutil
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from memagents.runs import trackio_database
from memagents.runs.config import PROJECT, DashboardTool
from memagents.runs.signals import stopping_at_once

HOST = "127.0.0.1"
SECONDS_BETWEEN_LOOKS = 5.0
"""At runs that have begun or gone on. TensorBoard looks twice as often, so that it sees what is away for so long."""

ELSEWHERE = ("TRACKIO_", "GRADIO_", "SPACE_", "SYSTEM")
"""How variables begin that could make trackio's page public, or have it fetch what is elsewhere."""

Runs = Mapping[str, Path]
"""What runs left for a dashboard, by their names."""


class Tool(NamedTuple):
    """A dashboard.

    Attributes:
        left: what a run leaves for it in its folder.
        lay_out: puts runs into its folder, the same ones again where they have changed; says which once more.
        serve: shows a folder at a port, in a thread, and says at which address.
    """

    left: str
    lay_out: Callable[[Runs, Path], Sequence[str]]
    serve: Callable[[Path, int], str]


def serve(folder: Path, tool: DashboardTool | None = None, port: int | None = None) -> None:
    """Shows the runs below a folder until it is interrupted, those that begin or go on meanwhile too.

    Changes the environment of the process and leaves threads in it: it should have nothing else to do.

    Args:
        folder: with run folders in it, however deep, or a run folder.
        tool: which dashboard; by default TensorBoard where there is something for it, else trackio.
        port: where; by default one that is free.

    Raises:
        ValueError: if there is nothing to show, or the port is taken.
        KeyboardInterrupt: in the end.
    """
    name = tool or choose(folder)
    chosen = TOOLS[name]
    if not (runs := find(folder, chosen.left)):
        raise ValueError(nothing(folder, f"logged to {name}", name))
    if name == "trackio":
        trackio_database.check_trackio()
    port = free_port(port)
    with TemporaryDirectory(prefix="memagents-dashboard-") as place, stopping_at_once():
        keep_local(Path(place))
        seen = lay_out_changed(chosen, runs, {}, Path(place))
        url = chosen.serve(Path(place), port)
        print(f"{name} shows {len(runs)} run{'s' * (len(runs) > 1)} of {folder} at {url}\nCtrl-C ends it", flush=True)
        while True:
            time.sleep(SECONDS_BETWEEN_LOOKS)
            with suppress(FileNotFoundError):  # a run that is taken up again may take something away meanwhile
                seen = lay_out_changed(chosen, find(folder, chosen.left), seen, Path(place))


def choose(folder: Path) -> DashboardTool:
    """The first dashboard that runs below a folder logged to."""
    for name, tool in TOOLS.items():
        if find(folder, tool.left):
            return name
    raise ValueError(nothing(folder, "logged to a dashboard that can be opened here", *TOOLS))


def nothing(folder: Path, what: str, *tools: str) -> str:
    """The message for a folder in which there is nothing to be shown."""
    return (
        f"no run below {folder} has {what}; train with --log {' or --log '.join(tools)}, "
        "or see all runs on one page: memagents report"
    )


def find(folder: Path, left: str) -> dict[str, Path]:
    """What the runs below a folder left, by the names of their folders below it."""
    found = {}
    for run in sorted(record.parent for record in folder.rglob("run.json")):
        if (run / left).exists():
            found["/".join(run.relative_to(folder).parts or run.absolute().parts[-2:])] = run / left
    return found


def lay_out_changed(tool: Tool, runs: Runs, seen: Mapping[str, float], place: Path) -> dict[str, float]:
    """Lays out what has changed since it was seen, and tells when each was written to now."""
    times = {name: path.stat().st_mtime for name, path in runs.items()}
    if changed := {name: runs[name] for name, time in times.items() if seen.get(name) != time}:
        for name in tool.lay_out(changed, place):
            del times[name]
    return times


def free_port(port: int | None) -> int:
    """A port of this machine that is free; raises ValueError for one that is not."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port or 0))
        except (OSError, OverflowError) as error:
            raise ValueError(f"port {port} cannot be used: {error}; choose another, or leave --port out") from error
        return int(probe.getsockname()[1])


def link_event_files(runs: Runs, place: Path) -> list[str]:
    """Links to event files. A run whose files are others now, for it was taken up again, is away until the next time:

    TensorBoard would wait for ever at a file that is gone, unless it sees that all of the run is gone.
    """
    away = []
    for name, events in runs.items():
        links = place / name
        if links.exists() and not all(link.exists() for link in links.iterdir()):
            shutil.rmtree(links)
            away.append(name)
            continue
        links.mkdir(parents=True, exist_ok=True)
        for file in events.glob("events.out.tfevents.*"):
            if not (links / file.name).is_symlink():
                (links / file.name).symlink_to(file.absolute())
    return away


def serve_tensorboard(place: Path, port: int) -> str:
    """Shows the event files in a folder."""
    from tensorboard.program import TensorBoard

    board = TensorBoard()
    # Its faster loader is a process of its own, which could outlive this one.
    board.configure(
        logdir=str(place), host=HOST, port=port, load_fast="false", reload_interval=SECONDS_BETWEEN_LOOKS / 2
    )
    return str(board.launch())


def keep_local(place: Path) -> None:
    """Tells trackio, which reads that when it is imported, its folder, and that it has no other machine to talk to."""
    for name in [name for name in os.environ if name.startswith(ELSEWHERE)]:
        del os.environ[name]
    os.environ |= {"TRACKIO_DIR": str(place), "HF_HUB_OFFLINE": "1", "NO_PROXY": HOST, "no_proxy": HOST}


def serve_trackio(place: Path, port: int) -> str:
    """Shows the database in a folder. The address lets nobody write, and the folder holds copies anyway."""
    import trackio

    with redirect_stdout(StringIO()):  # an address with which one may write
        _, url, *_ = trackio.show(
            PROJECT, host=HOST, server_port=port, open_browser=False, block_thread=False, share=False, mcp_server=False
        )
    return f"{url}?project={PROJECT}"


TOOLS: dict[DashboardTool, Tool] = {
    "tensorboard": Tool("tensorboard", link_event_files, serve_tensorboard),
    "trackio": Tool(f"trackio/{trackio_database.DATABASE}", trackio_database.merge, serve_trackio),
}
