"""Where results come from."""

import subprocess
from pathlib import Path

from memagents.runs.provenance import hardware, provenance, source_state


def commit_file(repository: Path, name: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    (repository / name).touch()
    for command in (["init", "-q"], ["add", name], [*identity, "commit", "-qm", "first"]):
        subprocess.run(["git", "-C", repository, *command], check=True)


def test_a_checkout_tells_its_commit_and_whether_it_was_changed(tmp_path):
    commit_file(tmp_path, "__init__.py")
    clean = source_state(tmp_path)
    assert len(clean["commit"]) == 40
    assert clean["modified"] is False
    (tmp_path / "__init__.py").write_text("changed")
    assert source_state(tmp_path) == {"commit": clean["commit"], "modified": True}


def test_a_package_installed_inside_another_repository_has_no_commit(tmp_path):
    commit_file(tmp_path, "something_else.py")
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "__init__.py").touch()
    assert source_state(installed) == {"commit": None, "modified": None}


def test_a_package_outside_a_repository_has_no_commit(tmp_path):
    assert source_state(tmp_path) == {"commit": None, "modified": None}


def test_the_machine_and_the_versions_are_told():
    assert hardware()["cores"] >= 1
    assert all(provenance()["versions"].values())
