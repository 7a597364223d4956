"""Algorithms whose files hold no code: SB3's `save`, `load` and `set_parameters` over the files of `serialization`."""

from collections.abc import Iterable
from typing import Any, ClassVar, TypeVar

import torch
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import GymEnv
from stable_baselines3.common.utils import check_for_correct_spaces, get_system_info

from memagents.agents.attributes import check_attributes
from memagents.agents.finite_updates import check_parameters
from memagents.agents.normalization import SECTION, normalization_of
from memagents.agents.parameters import complete, fitting, no_larger_than
from memagents.agents.serialization import (
    ModelFile,
    known_classes,
    model_sections,
    open_archive,
    pack,
    print_versions,
    read_model,
    read_parameters,
    sb3_parameters,
    store,
)
from memagents.errors import OtherArchitectureError, PickleRefusedError
from memagents.files import reading

SelfModel = TypeVar("SelfModel", bound="SavingMixin")

REBUILT = ("lr_schedule",)
"""Attributes that are made anew from others whenever a model is set up."""

NEVER = (
    *REBUILT,
    "policy",
    "env",
    "device",
    "rollout_buffer",
    "_vec_normalize_env",
    "_logger",
    "_custom_logger",
    "_boundary",
)
"""Attributes that no file has to say."""


class SavingMixin(OnPolicyAlgorithm):
    """Stands in front of an algorithm of SB3 and replaces how it is written to a file and read."""

    file_classes: ClassVar[dict[str, type]] = {}
    """Classes that a file may name, besides those of `known_classes` and the policies."""

    @classmethod
    def _file_classes(cls) -> dict[str, type]:
        policies = {f"policy.{name}": policy for name, policy in cls.policy_aliases.items()}
        return known_classes({**policies, **cls.file_classes})

    @classmethod
    def _algorithm_name(cls) -> str:
        """The class of SB3 that trains, which says whether a file fits; a user's subclass may have any name."""
        foreign = (base for base in cls.__mro__ if not issubclass(base, SavingMixin))
        return next(base.__name__ for base in foreign if issubclass(base, OnPolicyAlgorithm))

    def save(self, path: ModelFile, exclude: Iterable[str] | None = None, include: Iterable[str] | None = None) -> None:
        """Saves the model, and what the agent remembers: `load(..., force_reset=False)` goes on with it.

        So are the statistics of a `VecNormalize` that it trains in, for `load_vec_normalize`. The file holds JSON and
        safetensors. What those cannot express, such as a lambda, is left out with a warning.

        Args:
            path: a path, which gets the suffix .zip if it has none and is replaced as a whole, or a binary stream.
            exclude: attributes to leave out, besides those SB3 leaves out.
            include: attributes to keep that would be left out.

        Raises:
            CheckpointWriteError: if the file cannot be written; what was at `path` before is still there.
            NonFiniteUpdate: if a parameter is not finite; nothing is written then.
        """
        store(path, self.packed(exclude, include), suffix="zip")

    def packed(
        self,
        exclude: Iterable[str] | None = None,
        include: Iterable[str] | None = None,
        **more_sections: Any,
    ) -> bytes:
        """The contents of a model file, and of what else is to stand in it, by section."""
        parameters = self.get_parameters()
        check_parameters(parameters["policy"])
        left_out = {*self._excluded_save_params(), *REBUILT, *(exclude or ())} - set(include or ())
        attributes = {name: value for name, value in vars(self).items() if name not in {*left_out, "policy"}}
        classes = self._file_classes()
        sections = model_sections(attributes, parameters, classes) | more_sections
        if (normalized := self.get_vec_normalize_env()) is not None:
            sections[SECTION] = normalization_of(normalized)
        return pack("model", sections, classes, algorithm=self._algorithm_name(), written_by=type(self).__name__)

    @classmethod
    def load(
        cls: type[SelfModel],
        path: ModelFile,
        env: GymEnv | None = None,
        device: torch.device | str = "auto",
        custom_objects: dict[str, Any] | None = None,
        print_system_info: bool = False,
        force_reset: bool = True,
        *,
        trust_pickle: bool = False,
        **kwargs: Any,
    ) -> SelfModel:
        """Makes a model from a file. Nothing in the file is unpickled or run.

        Args:
            path: a path, with or without the suffix .zip, or a binary stream.
            env: environments to go on in; how many there are may differ.
            device: where to compute.
            custom_objects: values for attributes by name, instead of what the file says of them. What the file could
                not hold must be here.
            print_system_info: whether to print the versions of then and now.
            force_reset: whether the environments are reset before training goes on.
            trust_pickle: read a file of SB3's own format, which runs whatever code its maker put into it.
            kwargs: other values for attributes.

        Raises:
            CheckpointError: of the kind that says what is wrong with the file; see `memagents.errors`.
            ValueError: for environments with other spaces, or other `policy_kwargs` than those in the file.
        """
        try:
            return cls._load(path, env, device, custom_objects, print_system_info, force_reset, **kwargs)
        except PickleRefusedError:
            if not trust_pickle:
                raise
        return super().load(path, env, device, custom_objects, print_system_info, force_reset, **kwargs)

    @classmethod
    def _load(
        cls: type[SelfModel],
        path: ModelFile,
        env: GymEnv | None,
        device: torch.device | str,
        custom_objects: dict[str, Any] | None,
        print_system_info: bool,
        force_reset: bool,
        **kwargs: Any,
    ) -> SelfModel:
        saved = read_model(path, cls._file_classes(), custom_objects)
        if print_system_info:
            print("== CURRENT SYSTEM INFO ==")
            get_system_info()
            print_versions(saved.archive)
        attributes = saved.attributes
        if (algorithm := saved.archive.about.get("algorithm")) != cls._algorithm_name():
            raise OtherArchitectureError(
                f"{saved.archive.name} holds a model of {algorithm}, and {cls.__name__} loads those of "
                f"{cls._algorithm_name()}"
            )
        with reading(saved.archive.name):
            check_attributes(cls, attributes, never=NEVER)
            spaces = attributes["observation_space"], attributes["action_space"]
        policy_kwargs = attributes.get("policy_kwargs")
        if kwargs.get("policy_kwargs", policy_kwargs) != policy_kwargs:
            raise ValueError(f"policy_kwargs must be those of the file, {policy_kwargs}, got {kwargs['policy_kwargs']}")
        if env is not None:
            env = cls._wrap_env(env, attributes.get("verbose", 0))
            check_for_correct_spaces(env, *spaces)
            attributes["n_envs"] = env.num_envs
            if force_reset:
                attributes["_last_obs"] = None
        with reading(saved.archive.name), no_larger_than(saved.archive.name, saved.parameters["policy"]):
            model = cls(attributes["policy_class"], env, device=device, _init_setup_model=False)  # type: ignore[call-arg, arg-type]
            vars(model).update(attributes | kwargs)
            model._setup_model()
        model.take_parameters(saved.parameters, saved.archive.name)
        if model.use_sde:
            model.policy.reset_noise()
        return model

    def set_parameters(
        self,
        load_path_or_dict: ModelFile | dict[str, Any],
        exact_match: bool = True,
        device: torch.device | str = "auto",
    ) -> None:
        """Takes the parameters of a model file, of a zip file of SB3 (its weights only), or of `get_parameters`.

        Raises:
            CheckpointError: of the kind that says what is wrong with the file.
            ValueError: as SB3 does.
        """
        if isinstance(load_path_or_dict, dict):
            super().set_parameters(load_path_or_dict, exact_match, device)
            return
        try:
            archive = open_archive(load_path_or_dict, suffix="zip")
            name, parameters = archive.name, dict[str, Any](read_parameters(archive))
        except PickleRefusedError:
            name, parameters = "the file", sb3_parameters(load_path_or_dict)
            if not parameters:
                raise
        if exact_match:
            self.take_parameters(parameters, name)
            return
        with reading(name):
            super().set_parameters(parameters, exact_match=False)

    def take_parameters(self, parameters: dict[str, Any], name: str) -> None:
        """Takes all the parameters of the file `name`, or none if they are not those of such a model.

        Raises:
            CheckpointError: of the kind that says what is wrong with them.
        """
        expected = self.get_parameters()["policy"]
        with reading(name):
            taken = {
                **parameters,
                "policy": complete(name, parameters["policy"], expected),
                "policy.optimizer": fitting(name, parameters["policy.optimizer"], self.policy.optimizer),
            }
        try:
            super().set_parameters(taken, exact_match=True)
        except (RuntimeError, ValueError, KeyError) as error:
            raise OtherArchitectureError(f"{name} does not fit this model: {error}") from error
