"""`memagents dashboard`: what it serves, to whom, and how it ends."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial

import pytest
from logged import pythonpath
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from torch.utils.tensorboard import SummaryWriter

from memagents.cli import main
from memagents.runs.trackio_database import DATABASE, copy_run
from memagents.runs.viewing import find, free_port, link_event_files

SECONDS = 120
RUN = "TMaze-v0/gru-ppo-seed0"


@contextmanager
def dashboard(*arguments: object, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command in a group of processes of its own, and the address it says; killed if it is still there then."""
    command = [sys.executable, "-m", "memagents.cli", "dashboard", *map(str, arguments)]
    running = subprocess.Popen(
        command,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Shells let what they start in the background ignore SIGINT, which the command would inherit.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert running.stdout is not None
        said = running.stdout.readline()
        (url,) = re.findall(r"http://\S+", said)
        yield running, url
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def tensorboard_runs(url: str) -> list[str]:
    with urllib.request.urlopen(f"{url}data/runs", timeout=SECONDS) as answer:
        return json.load(answer)


def trackio_runs(url: str) -> list[str]:
    request = urllib.request.Request(
        f"{url.partition('?')[0]}api/get_runs_for_project",
        data=json.dumps({"project": "memagents"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return [run["name"] for run in json.load(answer)["data"]]


def shown(runs: Callable[[str], list[str]], url: str) -> list[str]:
    """The names of runs, as soon as there are any: TensorBoard reads files after it has begun to answer."""
    deadline = time.monotonic() + SECONDS
    while not (names := runs(url)):
        assert time.monotonic() < deadline, "no run was shown"
        time.sleep(0.1)
    return names


@pytest.mark.parametrize(
    ("tool", "runs"), [("tensorboard", tensorboard_runs), ("trackio", trackio_runs)], ids=["tensorboard", "trackio"]
)
@pytest.mark.slow
def test_a_dashboard_shows_the_runs_to_this_machine_until_ctrl_c(tool, runs, in_one_go, tmp_path, request):
    environment = {"TMPDIR": str(tmp_path)}
    if tool == "trackio":
        environment["PYTHONPATH"] = pythonpath(request.getfixturevalue("trackio"))
    port = free_port(None)
    study = in_one_go["folder"].parents[1]
    with dashboard(study, "--tool", tool, "--port", port, **environment) as (running, url):
        assert url.startswith(f"http://127.0.0.1:{port}/")
        assert shown(runs, url) == [RUN]
        with pytest.raises(ConnectionRefusedError):  # it answers at one address, not at all that the machine has
            socket.create_connection(("127.0.0.2", port), timeout=SECONDS)
        running.send_signal(signal.SIGINT)
        assert running.wait(SECONDS) == 130
        with pytest.raises(ProcessLookupError):  # nothing is left of its group
            os.killpg(running.pid, 0)
    assert list(tmp_path.iterdir()) == []


def test_tensorboard_is_chosen_where_runs_logged_to_it_and_trackio_where_they_logged_to_that_alone(tmp_path):
    from memagents.runs.viewing import choose

    run = tmp_path / RUN
    (run / "trackio").mkdir(parents=True)
    (run / "trackio" / DATABASE).touch()
    (run / "run.json").touch()
    assert choose(tmp_path) == "trackio"
    (run / "tensorboard").mkdir()
    assert choose(tmp_path) == "tensorboard"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [([], "--log tensorboard or --log trackio"), (["--tool", "trackio"], "--log trackio")],
)
def test_where_there_is_nothing_to_show_it_says_how_to_log(arguments, advice, tmp_path, capsys):
    assert main(["dashboard", str(tmp_path), *arguments]) == 2
    assert f"no run below {tmp_path} has logged to" in (said := capsys.readouterr().err)
    assert f"train with {advice}, " in said


def test_a_port_that_is_taken_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=f"port {port} cannot be used: .*; choose another"):
            free_port(port)


def test_runs_are_called_by_their_folders(tmp_path):
    for run in ("study/TMaze-v0/gru-ppo-seed0", "study/TMaze-v0/gru-ppo-seed1", "other"):
        (tmp_path / run / "tensorboard").mkdir(parents=True)
        (tmp_path / run / "run.json").touch()
    (tmp_path / "study" / "tensorboard").mkdir()  # of no run
    assert list(find(tmp_path, "tensorboard")) == [
        "other",
        "study/TMaze-v0/gru-ppo-seed0",
        "study/TMaze-v0/gru-ppo-seed1",
    ]
    assert list(find(tmp_path / "study", "tensorboard")) == ["TMaze-v0/gru-ppo-seed0", "TMaze-v0/gru-ppo-seed1"]
    run = tmp_path / "study" / RUN
    assert find(run, "tensorboard") == {RUN: run / "tensorboard"}


def test_tensorboard_shows_a_run_that_is_taken_up_again_while_it_is_open(tmp_path):
    events, place, shown = tmp_path / "tensorboard", tmp_path / "place", EventMultiplexer()
    for session in (1.0, 2.0):
        shutil.rmtree(events, ignore_errors=True)
        with closing(SummaryWriter(str(events), filename_suffix=f".{session}")) as writer:
            writer.add_scalar("loss", session, 32)
        while link_event_files({RUN: events}, place):
            shown.AddRunsFromDirectory(str(place)).Reload()
        shown.AddRunsFromDirectory(str(place)).Reload()
        assert [event.tensor_proto.float_val for event in shown.Tensors(RUN, "loss")] == [[session]]


@pytest.mark.slow
def test_a_run_of_trackio_is_copied_in_place_of_what_was_there_of_it(in_one_go, trackio, tmp_path):
    database = in_one_go["folder"] / "trackio" / DATABASE
    shutil.copy(database, tmp_path / DATABASE)  # a database with another run in it
    rows = "SELECT step, timestamp, metrics FROM metrics WHERE run_id = ? ORDER BY id"
    config = "SELECT config FROM configs WHERE run_name = ?"
    with closing(sqlite3.connect(tmp_path / DATABASE)) as merged:
        for _ in range(2):
            copy_run(merged, f"study/{RUN}", database)
            for statement in (rows, config):
                copied, first = (merged.execute(statement, (name,)).fetchall() for name in (f"study/{RUN}", RUN))
                assert copied == first != []
