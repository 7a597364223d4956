"""Models on disk, whole or not at all."""

import os
from pathlib import Path

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback


def save_model(model: BaseAlgorithm, path: Path) -> None:
    """Saves a model so that `path` is never half a file."""
    partial = path.with_name(f".partial-{path.name}")
    model.save(partial)
    os.replace(partial, path)


class Checkpoints(BaseCallback):
    """Saves the model each time another `every` steps are done, after the update that follows them."""

    def __init__(self, folder: Path, every: int) -> None:
        super().__init__()
        self._folder = folder
        self._every = every
        self._due = every

    # A rollout starts right after an update, so the saved parameters have seen all steps counted so far.
    def _on_rollout_start(self) -> None:
        steps = self.model.num_timesteps
        if steps >= self._due:
            self._due = steps - steps % self._every + self._every
            save_model(self.model, self._folder / f"step-{steps:09d}.zip")

    def _on_step(self) -> bool:
        return True
