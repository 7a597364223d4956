"""What README shows is true."""

import re
from pathlib import Path

import pytest

from memagents.memories import registry

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_memory_added_in_one_file_trains_with_both_algorithms(tmp_path, monkeypatch):
    (code,) = re.findall(r"<!-- This block runs as a test. -->\n```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.setattr(registry._MEMORIES, "_classes", dict(registry._MEMORIES._classes))
    (tmp_path / "decay.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    decay = __import__("decay")
    assert registry.memory_class("decay") is decay.Decay


def test_every_memory_is_named():
    assert all(f"`{name}`" in README for name in registry.list_memories())


@pytest.mark.parametrize("path", re.findall(r"\]\(([\w/.]+)\)", README))
def test_every_file_that_is_linked_is_there(path):
    assert (Path(__file__).parents[1] / path).exists()
