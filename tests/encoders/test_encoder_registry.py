import pkgutil

import pytest
from stable_baselines3.common.torch_layers import FlattenExtractor, NatureCNN

import memagents.encoders
from memagents.encoders import encoder_class, list_encoders, register_encoder
from memagents.encoders.registry import check_encoder_options


def test_every_file_in_the_folder_is_registered_under_its_own_name_beside_sb3s_own():
    files = {module.name for module in pkgutil.iter_modules(memagents.encoders.__path__)} - {"registry"}
    assert list_encoders() == sorted(files | {"flatten", "cnn"})
    assert all(encoder_class(name).__module__ == f"memagents.encoders.{name}" for name in files)
    assert encoder_class("flatten") is FlattenExtractor
    assert encoder_class("cnn") is NatureCNN


def test_an_unknown_name_is_answered_with_the_nearest_one():
    with pytest.raises(ValueError, match=r"unknown encoder 'neocognition': did you mean 'neocognitron'\?.*cnn.*rbf"):
        encoder_class("neocognition")


def test_an_unknown_option_is_answered_with_the_valid_ones():
    with pytest.raises(ValueError, match="'rbf' has no option 'centers'; its options are: features_dim, num_centers"):
        check_encoder_options("rbf", {"centers": 3})
    with pytest.raises(ValueError, match="'flatten' has no option 'features_dim'; its options are: none at all"):
        check_encoder_options("flatten", {"features_dim": 3})


def test_a_taken_name_is_refused_and_registering_the_same_class_again_is_not():
    with pytest.raises(ValueError, match="'rbf' is taken by RadialBasisFunctions"):
        register_encoder("rbf")(FlattenExtractor)
    assert register_encoder("flatten")(FlattenExtractor) is FlattenExtractor
