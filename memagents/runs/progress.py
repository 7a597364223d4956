"""How far a run is: a bar in a terminal, a plain line now and then in a pipe."""

import time

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import safe_mean

from memagents.agents.respawns import respawns_of

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_FRAMES = 0.2


class ProgressReport(BaseCallback):
    """Shows steps done, speed, time left and the recent mean return while a model learns.

    Used as a context, so that the terminal is left in order even when learning fails.

    Args:
        total: steps of the whole run.
        label: what to call the run.
        console: where to write; standard error by default.
        bar: whether to draw a bar; by default if the console is a terminal.
    """

    def __init__(self, total: int, *, label: str = "", console: Console | None = None, bar: bool | None = None) -> None:
        super().__init__()
        console = console or Console(stderr=True)
        bar = console.is_terminal if bar is None else bar
        self._total = total
        self._display = _Bar(label, console) if bar else _Lines(label, console)

    def __enter__(self) -> "ProgressReport":
        self._started = self._shown = time.monotonic()
        self._display.open()
        return self

    def __exit__(self, *exception: object) -> None:
        self._display.close()

    def _on_step(self) -> bool:
        if time.monotonic() - self._shown >= self._display.seconds_between:
            self._show()
        return True

    def _on_training_end(self) -> None:
        self._show()

    def _show(self) -> None:
        self._shown = time.monotonic()
        done = min(self.num_timesteps, self._total)
        before = self.model._num_timesteps_at_start  # of a run that is taken up again
        returns = [episode["r"] for episode in self.model.ep_info_buffer or ()]
        self._display.show(
            done / self._total,
            describe(done, self._total, self._shown - self._started, safe_mean(returns) if returns else None, before),
        )


def describe(done: int, total: int, seconds: float, mean_return: float | None, before: int = 0) -> str:
    """`steps 40,960/200,000   20%   12,300 steps/s   0:13 left   return 0.42`"""
    speed = (done - before) / max(seconds, 1e-9)
    left = round((total - done) / speed) if speed else 0
    parts = [
        f"steps {done:>{len(f'{total:,}')},}/{total:,}",
        f"{done / total:4.0%}",
        f"{speed:,.0f} steps/s",
        f"{clock(left)} left" if done < total else f"{clock(round(seconds))} in all",
    ]
    return "  ".join([*parts, *([] if mean_return is None else [f"return {mean_return:.2f}"])])


def clock(seconds: int) -> str:
    """Seconds as `m:ss`, or `h:mm:ss` from an hour on."""
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


class Rows(BaseCallback):
    """Dumps the logger after every so many rollouts of a run, however often it was taken up again."""

    def __init__(self, every: int) -> None:
        super().__init__()
        self._every = every

    def _on_rollout_end(self) -> None:
        assert isinstance(self.model, OnPolicyAlgorithm)
        rollouts = self.model.num_timesteps // (self.model.n_steps * self.model.n_envs)
        if rollouts % self._every == 0:
            log_respawns(self.model)
            self.model.dump_logs(rollouts)

    def _on_step(self) -> bool:
        return True


def log_respawns(model: OnPolicyAlgorithm) -> None:
    """Logs how often environments were made anew so far, where they may be."""
    respawns = respawns_of(model.env)
    if respawns.limit:
        model.logger.record("env/respawned", len(respawns.events))


class _Lines:
    seconds_between = SECONDS_BETWEEN_LINES

    def __init__(self, label: str, console: Console) -> None:
        self._prefix = f"{label}  " if label else ""
        self._console = console

    def open(self) -> None: ...

    def close(self) -> None: ...

    def show(self, share: float, text: str) -> None:
        print(self._prefix + text, file=self._console.file, flush=True)


class _Bar:
    seconds_between = SECONDS_BETWEEN_FRAMES

    def __init__(self, label: str, console: Console) -> None:
        columns = TextColumn("{task.description}", markup=False), BarColumn(), TextColumn("{task.fields[text]}")
        self._progress = Progress(*columns, console=console)
        self._task = self._progress.add_task(label, total=1.0, text="")

    def open(self) -> None:
        self._progress.start()

    def close(self) -> None:
        self._progress.stop()

    def show(self, share: float, text: str) -> None:
        self._progress.update(self._task, completed=share, text=text)
