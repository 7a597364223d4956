"""Where the runs of a study take place.

Every backend is the same to a study: it takes the runs that are not finished, and yields each when it has ended, with
why it did not finish, if so. What a killed run has left is taken up by the next one in its folder, wherever that is, so
a backend only has to start runs.
"""

from memagents.studies.backends.cells import Backend, Outcome
from memagents.studies.backends.local import local
from memagents.studies.backends.ray import on_ray
from memagents.studies.backends.slurm import on_slurm
from memagents.studies.config import CompareConfig

__all__ = ["Backend", "Outcome", "choose", "local"]


def choose(config: CompareConfig) -> Backend:
    """The backend that a study asks for.

    Raises:
        ValueError: for settings of another backend, or that it does not have.
        MissingExtraError: if its package is not installed.
    """
    if config.ray_address is not None and config.backend != "ray":
        raise ValueError(
            f"ray_address is for the backend ray, not {config.backend}; add --backend ray, or leave it out"
        )
    if config.slurm and config.backend != "slurm":
        raise ValueError(f"slurm is for the backend slurm, not {config.backend}; add --backend slurm, or leave it out")
    if config.backend == "ray":
        return on_ray(config.ray_address, config.jobs)
    if config.backend == "slurm":
        return on_slurm(config.folder / "slurm", config.slurm)
    return local(config.jobs)
