"""A terminal gets a bar, a pipe gets plain lines."""

import io
import re

from rich.console import Console

from memagents.runs import progress
from memagents.runs.models import build_env, build_model
from memagents.runs.progress import ProgressReport, clock, describe
from memagents.runs.training import train


def learn(finished, *, terminal: bool) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal)
    env = build_env(finished.config, n_envs=2, seed=0)
    with ProgressReport(64, label="run", console=console) as report:
        build_model(finished.config, env).learn(64, callback=report)
    env.close()
    return console.file.getvalue()


def test_steps_speed_time_left_and_return_are_told():
    assert describe(40_960, 200_000, 4.0, 0.42) == "steps  40,960/200,000   20%  10,240 steps/s  0:16 left  return 0.42"


def test_before_the_first_episode_ends_there_is_no_return():
    assert describe(100, 200, 1.0, None) == "steps 100/200   50%  100 steps/s  0:01 left"


def test_the_last_line_tells_how_long_it_took():
    assert describe(200, 200, 65.0, 1.0) == "steps 200/200  100%  3 steps/s  1:05 in all  return 1.00"


def test_time_is_written_as_people_write_it():
    assert [clock(seconds) for seconds in (7, 600, 3_661)] == ["0:07", "10:00", "1:01:01"]


def test_a_pipe_gets_plain_lines(finished, monkeypatch):
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
    lines = learn(finished, terminal=False).splitlines()
    assert lines
    assert all(re.match(r"run  steps +\d+/64 +\d+%  [\d,]+ steps/s  ", line) for line in lines)


def test_a_terminal_gets_a_bar(finished):
    shown = learn(finished, terminal=True)
    assert "\x1b[" in shown
    assert "64/64" in shown


def test_training_in_a_pipe_tells_its_progress_on_standard_error(tiny, capsys):
    train(tiny())
    assert "steps 96/96  100%" in capsys.readouterr().err
