"""The page in a browser: nothing leaves it, nothing goes wrong in it, and what it promises works."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from chromium import Chromium

from memagents.studies.findings import Findings
from memagents.studies.report_page import page

CURVES = {
    "none": {1000: 0.1, 3000: 0.2},
    "gru": {1000: 0.1, 3000: 0.9},
    "a_long_name_of_a_memory": {1000: 0.1, 3000: 0.95},
}
PARAMETERS = {"none": 9, "gru": 1000, "a_long_name_of_a_memory": 200}
STEPS, SIZES = 5, 7
"""Columns of the table."""


@pytest.fixture
def path(make_run, tmp_path) -> Path:
    """A page of three memories on two tasks, of which one says nothing of what a good return is."""
    runs = [
        make_run(
            0.9, curve, env=env, memory=memory, seed=seed, success=success, record={"parameters": PARAMETERS[memory]}
        )
        for env, success in (("A/One-v0", True), ("A/Two-v0", False))
        for memory, curve in CURVES.items()
        for seed in range(3)
    ]
    path = tmp_path / "report.html"
    path.write_text(page(Findings.of(runs, {Path("elsewhere"): "failed"})), encoding="utf-8")
    return path


@pytest.fixture
def opened(browser, path) -> Iterator[Chromium]:
    """The page on a desk, which in the end has asked for nothing and complained of nothing."""
    browser.requests.clear()
    browser.open(path)
    yield browser
    assert browser.requests == [path.as_uri()]
    assert browser.complaints == []


def column(browser: Chromium, number: int) -> list[str]:
    """What the table shows in a column."""
    return browser.run(
        f"[...document.querySelectorAll('.results tbody tr')].map((row) => row.cells[{number}].innerText)"
    )


def heading(number: int) -> str:
    return f".results thead th:nth-child({number + 1}) button"


def shown(browser: Chromium, plot: str) -> str | None:
    """The values that a panel shows, if it does."""
    values = f"document.querySelector('{plot} .values')"
    return browser.run(f"{values}.checkVisibility() ? {values}.innerText : null")


def drawn(browser: Chromium) -> set[str]:
    """The methods whose lines are to be seen."""
    lines = "[...document.querySelectorAll('svg [data-method]')].filter((lines) => lines.getClientRects().length)"
    return set(browser.run(f"{lines}.map((lines) => lines.dataset.method)"))


def test_a_click_sorts_by_a_column_and_another_one_turns_it_round(opened):
    opened.click(heading(SIZES))
    assert column(opened, SIZES) == ["1,000", "1,000", "200", "200", "9", "9"]
    opened.click(heading(SIZES))
    assert column(opened, SIZES) == ["9", "9", "200", "200", "1,000", "1,000"]
    order = "[...document.querySelectorAll('.results th')].map((heading) => heading.getAttribute('aria-sort'))"
    assert [entry for entry in opened.run(order) if entry] == ["ascending"]
    opened.click(heading(0))
    assert column(opened, 0) == sorted(2 * list(CURVES))


def test_the_keyboard_sorts_too(opened):
    opened.run(f"document.querySelector('{heading(SIZES)}').focus()")
    opened.press("Enter")
    assert column(opened, SIZES) == ["1,000", "1,000", "200", "200", "9", "9"]


def test_never_is_more_than_any_number_and_unknown_always_last(opened):
    reached, never, unknown = "3k 3/3", "never 0/3", "\N{EN DASH}"
    opened.click(heading(STEPS))
    assert column(opened, STEPS) == [never, reached, reached, unknown, unknown, unknown]
    opened.click(heading(STEPS))
    assert column(opened, STEPS) == [reached, reached, never, unknown, unknown, unknown]


def test_a_pointer_over_a_panel_is_told_the_values_there(opened):
    plot = "[data-panel=curves1]"
    assert shown(opened, plot) is None
    opened.move(*opened.middle(plot))
    head, *lines = shown(opened, plot).splitlines()
    assert head.endswith(" steps")
    assert {line.split()[0] for line in lines if line} >= set(CURVES)
    assert shown(opened, "[data-panel=curves0]") is None
    opened.move(0, 0)
    assert shown(opened, plot) is None


def test_the_arrow_keys_read_values_and_escape_ends_it(opened):
    plot = "[data-panel=curves0]"
    opened.run(f"document.querySelector('{plot}').focus()")
    opened.press("End")
    assert shown(opened, plot).split() == [
        *("3k", "steps"),
        *("a_long_name_of_a_memory", "0.95", "[0.95,", "0.95]"),
        *("gru", "0.90", "[0.90,", "0.90]"),
        *("none", "0.20", "[0.20,", "0.20]"),
    ]
    opened.press("ArrowLeft")
    assert shown(opened, plot).split()[:2] == ["2.94k", "steps"]
    opened.press("Escape")
    assert shown(opened, plot) is None


def test_profiles_are_read_in_the_same_way(opened):
    plot = "[data-panel=profiles]"
    opened.run(f"document.querySelector('{plot}').focus()")
    opened.press("Home")
    assert "gru" in shown(opened, plot)


def test_a_name_hides_and_shows_its_lines_in_every_figure(opened):
    button = "#curves .legend [data-method='1']"
    assert drawn(opened) == {"0", "1", "2"}
    opened.click(button)
    assert drawn(opened) == {"0", "2"}
    assert (
        opened.run("[...document.querySelectorAll('.legend [data-method=\"1\"]')].map((b) => b.ariaPressed)")
        == ["false"] * 2
    )
    opened.run("document.querySelector('[data-panel=curves0]').focus()")
    opened.press("End")
    assert "gru" not in shown(opened, "[data-panel=curves0]")
    opened.click(button)
    assert drawn(opened) == {"0", "1", "2"}
    opened.click("#comparison [data-every=hide]")
    assert drawn(opened) == set()
    opened.click("#curves [data-every=show]")
    assert drawn(opened) == {"0", "1", "2"}


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_the_page_is_never_wider_than_the_window(opened, path, width):
    opened.requests.clear()
    opened.open(path, width=width)
    opened.run("document.querySelectorAll('details').forEach((details) => (details.open = true))")
    assert opened.run("[innerWidth, document.documentElement.scrollWidth]") == [width, width]


def test_the_page_is_dark_where_the_system_is(opened, path):
    background = "getComputedStyle(document.body).backgroundColor"
    assert opened.run(background) == "rgb(247, 246, 243)"
    opened.requests.clear()
    opened.open(path, dark=True)
    assert opened.run(background) == "rgb(16, 18, 21)"


def test_a_policy_keeps_foreign_scripts_out(browser, path):
    text = path.read_text(encoding="utf-8").replace("<main>", "<main><script>document.title = 'taken over'</script>")
    path.write_text(text, encoding="utf-8")
    browser.open(path)
    assert browser.run("document.title") == "Which memory for One and Two?"
    assert "Content Security Policy" in browser.complaints.pop()
