"""The page of a replay in a browser: nothing leaves it, nothing goes wrong in it, and what it promises works."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium
from replays import replay_of

from memagents.studies.replay_page import page


@pytest.fixture
def path(make_run, tmp_path) -> Path:
    path = tmp_path / "replay.html"
    path.write_text(page(replay_of(make_run, "dnc", episodes=2)), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, path) -> Iterator[Chromium]:
    """The page on a desk, which in the end has fetched nothing from elsewhere and complained of nothing."""
    browser.requests.clear()
    browser.open(path)
    yield browser
    assert {request.partition("#")[0] for request in browser.requests if not request.startswith("data:")} == {
        path.as_uri()
    }
    assert browser.complaints == []


def step(browser: Chromium) -> int:
    return int(browser.run("document.getElementById('where').innerText").split()[1])


def pixels(browser: Chromium, panel: str) -> int:
    """How many colours the panel of the first episode has."""
    return browser.run(
        f"""(() => {{
          const canvas = document.querySelector('.episode:not([hidden]) [data-panel={panel}] canvas');
          const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
          return new Set(Array.from({{length: data.length / 4}}, (_, i) => data.slice(4 * i, 4 * i + 3).join())).size;
        }})()"""
    )


def test_arrow_keys_go_through_the_episode_and_stop_at_its_ends(opened):
    last = opened.run("episodes[0].steps") - 1
    assert step(opened) == 0
    opened.press("ArrowLeft")
    assert step(opened) == 0
    opened.press("ArrowRight")
    assert step(opened) == 1
    opened.press("End")
    opened.press("ArrowRight")
    assert step(opened) == last
    assert opened.run("location.hash") == f"#episode=1&step={last}"
    opened.press("Home")
    assert step(opened) == 0


def test_every_figure_is_drawn_and_marks_the_step(opened):
    assert pixels(opened, "write_weights") > 10
    marker = "document.querySelector('[data-panel=write_weights] .marker').getBoundingClientRect().x"
    before = opened.run(marker)
    opened.press("ArrowRight")
    assert opened.run(marker) > before
    opened.run("document.querySelector('.episode details').open = true")
    opened.run("new Promise((done) => setTimeout(done, 100))")
    assert pixels(opened, "links") > 1


def test_what_stands_beside_the_picture_is_that_of_the_step(opened):
    opened.press("ArrowRight")
    for name in ("sees", "does", "gets", "expects"):
        assert opened.run(f"document.getElementById('{name}').innerText") == opened.run(f"episodes[0].{name}[1]")
    assert opened.run("document.getElementById('image').src.startsWith('data:image/png')")
    assert opened.run("document.getElementById('image').alt") == "The environment at step 1."


def test_a_pointer_over_a_cell_is_told_its_value_and_a_click_goes_to_its_step(opened):
    plot = ".episode:not([hidden]) [data-panel=action]"
    opened.move(*opened.middle(plot))
    told = opened.run(f"document.querySelector('{plot} .values').innerText")
    assert told.startswith("step ")
    assert any(name in told for name in ("north", "east", "south", "west"))
    opened.click(plot)
    assert step(opened) == int(told.split(",")[0].removeprefix("step "))
    assert step(opened) > 0
    opened.move(0, 0)
    assert opened.run(f"document.querySelector('{plot} .values').checkVisibility()") is False


def test_another_episode_is_chosen_by_its_button_and_by_the_address(opened, path):
    opened.click(".choice [data-episode='1']")
    assert opened.run("[...document.querySelectorAll('.episode')].map((e) => e.hidden)") == [True, False]
    assert pixels(opened, "write_weights") > 10
    opened.run("location.hash = '#episode=1&step=2'")
    opened.run("new Promise((done) => setTimeout(done, 100))")
    assert (opened.run("state.episode"), step(opened)) == (0, 2)


def test_playing_ends_at_the_last_step(opened):
    opened.press("End")
    last = step(opened)
    opened.press("ArrowLeft")
    opened.click("#play")
    assert opened.run("document.getElementById('play').innerText") == "Pause"
    opened.run("new Promise((done) => setTimeout(done, 800))")
    assert step(opened) == last
    assert opened.run("document.getElementById('play').innerText") == "Play"


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_the_page_is_never_wider_than_the_window(opened, path, width):
    opened.open(path, width=width)
    opened.run("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    assert opened.run("[innerWidth, document.documentElement.scrollWidth]") == [width, width]


def test_it_is_dark_where_the_system_is(opened, path):
    opened.open(path, dark=True)
    assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(16, 18, 21)"
