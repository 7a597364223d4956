"""Encoders, found by name: what stands before the memory and remembers nothing.

Networks of one observation at a time, as stable-baselines3 (SB3) knows them: `BaseFeaturesExtractor` classes. With
`memory="none"` they are controls that every memory task must defeat. Every module of this folder is imported here;
`flatten` and `cnn` are SB3's own.
"""

import importlib
import pkgutil

from stable_baselines3.common.torch_layers import FlattenExtractor, NatureCNN

from memagents.encoders.registry import encoder_class, list_encoders, register_encoder

register_encoder("flatten")(FlattenExtractor)
register_encoder("cnn")(NatureCNN)
for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

__all__ = ["encoder_class", "list_encoders", "register_encoder"]
