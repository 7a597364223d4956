"""What `memagents list` says of environments."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from memagents.cli import main
from memagents.runs.environments import describe, registered


def test_families_are_listed_with_what_they_test_their_knob_and_their_grades(capsys):
    assert main(["list", "--envs"]) == 0
    said = capsys.readouterr().out
    assert (
        "MemAgents/TMaze-v0  retention: one bit over a delay\n      corridor_length: steps to remember the sign\n"
        in said
    )
    assert "      Hard: corridor_length=200\n" in said
    assert "memories" not in said


def test_a_suite_is_listed_with_its_ids_or_with_how_to_install_it(monkeypatch):
    package, suites = ModuleType("some_package"), ModuleType("some_package.suites")
    suites.SUITES = {
        "here": SimpleNamespace(
            title="Here", tests="this", missing=[], module="m", ids=lambda: ["m:A/B-v0", "m:A/C-v0"]
        ),
        "gone": SimpleNamespace(title="Gone", tests="that", missing=["gone"], install="pip install gone"),
    }
    monkeypatch.setitem(sys.modules, "some_package", package)
    monkeypatch.setitem(sys.modules, "some_package.suites", suites)
    assert list(describe("some_package")) == [
        "\nsuites of others (--env <module>:<id>)",
        "  Here: this",
        "      2 ids, from m:A/B-v0 to A/C-v0",
        "  Gone: that",
        "      not installed (gone): pip install gone",
    ]


def test_every_family_and_grade_is_registered_by_its_package():
    found = registered("memagents_envs")
    assert {"memagents_envs:MemAgents/TMaze-v0", "memagents_envs:MemAgents/TMazeHard-v0"} <= set(found)
    assert not any("suites" in env_id for env_id in found)


def test_a_package_that_is_not_there_has_no_environments_and_cannot_be_described(capsys):
    assert registered("no_such_package") == []
    assert main(["list", "--envs", "--package", "no_such_package"]) == 2
    assert "cannot import 'no_such_package'" in capsys.readouterr().err


def test_a_package_without_families_and_suites_has_nothing_to_say():
    assert list(describe("json")) == []


@pytest.mark.parametrize("flag", [[], ["--envs"]])
def test_the_list_names_the_families(flag, capsys):
    assert main(["list", *flag]) == 0
    assert "MemAgents/RepeatPrevious-v0" in capsys.readouterr().out
