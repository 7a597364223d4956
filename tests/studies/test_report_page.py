"""The page: one file that is well-formed, fetches nothing, and shows the numbers that were found."""

import html
import itertools
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from memagents.studies.curves import COLOURS
from memagents.studies.findings import Findings
from memagents.studies.pages.document import read
from memagents.studies.pages.markup import element, escaped
from memagents.studies.report_page import page
from memagents.studies.report_page.axes import Axis, padded
from memagents.studies.report_page.palette import CONTRASTS, GROUNDS, channels, contrast, readable
from memagents.studies.report_page.speed import place_labels
from memagents.studies.wording import compact, figure, listed, number, size

BOUNDS = {"memoryless_return": -0.5, "best_return": 1.5, "state_bytes": 2048}
CURVE = {100: 0.1, 200: 0.5, 300: 0.9}
HOSTILE = """<script>alert("x")</script>&amp;' ${question} ]]> \u202e\x00"""


@pytest.fixture
def runs(make_run):
    """Of two memories on two tasks with three seeds."""
    return [
        make_run(
            score + 0.02 * seed, CURVE, success=env == "A/One-v0", env=env, memory=memory, seed=seed, record=BOUNDS
        )
        for env in ("A/One-v0", "A/Two-v0")
        for memory, score in (("none", 0.1), ("gru", 0.9))
        for seed in range(3)
    ]


@pytest.fixture
def findings(runs) -> Findings:
    return Findings.of(runs, {Path("runs/elsewhere"): "failed, OSError: the disk is full"})


def parse(text: str) -> ElementTree.Element:
    """The page as XML, which its markup must be too; scripts and styles hold what XML would not take."""
    bare = re.sub(r"(<(script|style)[^>]*>).*?(</\2>)", r"\1\3", text.removeprefix("<!doctype html>"), flags=re.DOTALL)
    return ElementTree.fromstring(bare)


def text_of(node: ElementTree.Element) -> str:
    return " ".join("".join(node.itertext()).split())


def table_of(root: ElementTree.Element, class_: str) -> list[list[str]]:
    """The cells of the first table of a class, as text."""
    (table, *_) = (t for t in root.iter("table") if class_ in t.get("class", "").split())
    return [[text_of(cell) for cell in row] for row in table.iter("tr")]


def test_every_number_of_the_table_is_one_that_was_found(findings):
    header, *rows = table_of(parse(page(findings)), "results")
    assert header == [
        *("memory", "environment", "score", "every seed", "normalised", "steps to 0.9", "MMER"),
        *("parameters", "steps/s", "state"),
    ]
    for row, cell in zip(rows, findings.cells, strict=True):
        assert row[:2] == [cell.method.name, cell.task.name]
        assert row[2] == " ".join(figure(cell.score).split())
        assert row[3] == " ".join(f"{score:.2f}" for score in cell.scores)
        assert row[4] == f"{np.mean(cell.normalised):.2f}"
        assert row[6:] == [f"{cell.mmer:.2f}", "1,234", "2,000", "2.0 KiB"]
    # 0.9 is a success rate on the first task; on the second it is 0.9 of the way from -0.5 to 1.5, which is 1.3.
    assert [row[5] for row in rows] == ["300 3/3"] * 2 + ["never 0/3"] * 2


def test_aggregates_stand_beside_the_answer(findings):
    root = parse(page(findings))
    _, *rows = table_of(root, "overall")
    assert [row[0] for row in rows] == ["gru", "none"]
    assert [row[1] for row in rows] == [" ".join(figure(found.iqm).split()) for found in findings.overall]
    (verdict,) = (p for p in root.iter("p") if p.get("class") == "verdict")
    assert text_of(verdict).startswith("gru is best on average. ")


def test_odds_are_those_of_a_run_of_the_row_over_one_of_the_column(findings):
    _, *rows = table_of(parse(page(findings)), "matrix")
    assert rows == [["gru", "", "1.00"], ["none", "0.00", ""]]


def test_what_is_not_finished_is_on_the_page_with_why(findings):
    text = text_of(parse(page(findings)))
    assert "1 run not finished" in text
    assert "failed, OSError: the disk is full" in text


def test_origin_and_settings_are_on_the_page(findings, runs):
    text = text_of(parse(page(findings)))
    record = runs[0].record
    for fact in (
        record["command"],
        record["commit"],
        record["versions"]["torch"],
        record["hardware"]["cpu"],
        "timesteps",
    ):
        assert str(fact) in text


def test_a_setting_that_differs_says_where(make_run):
    runs = [make_run(0.5, memory=memory, timesteps=steps) for memory, steps in (("gru", 1000), ("lstm", 2000))]
    rows = dict(table_of(parse(page(Findings.of(runs, {}))), "settings"))
    assert rows["timesteps"] == "1000 (gru)2000 (lstm)"
    assert rows["n_envs"] == "16"


def test_nothing_is_fetched(findings):
    text = page(findings)
    assert "://" not in text
    assert not re.search(r"url\(|@import|<link(?! rel=\"icon\" href=\"data:,\")|<img|<iframe", text)
    references = [node.get(name) for node in parse(text).iter() for name in ("href", "src") if node.get(name)]
    assert all(reference.startswith(("#", "data:")) for reference in references)
    assert "default-src 'none'" in text


def test_every_link_leads_somewhere_and_every_id_is_there_once(findings):
    root = parse(page(findings))
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    targets = {node.get("href").removeprefix("#") for node in root.iter("a")}
    named = {node.get("aria-labelledby") for node in root.iter() if node.get("aria-labelledby")}
    assert targets | named <= set(ids)


def test_a_screen_reader_finds_its_way(findings):
    root = parse(page(findings))
    assert root.get("lang") == "en"
    assert all(len(list(root.iter(landmark))) == 1 for landmark in ("header", "nav", "main", "footer", "h1"))
    levels = [int(node.tag[1]) for node in root.iter() if re.fullmatch("h[1-6]", node.tag)]
    assert levels[0] == 1
    assert all(deeper - level <= 1 for level, deeper in itertools.pairwise(levels))
    for table in root.iter("table"):
        assert text_of(table.find("caption"))
        assert all(cell.get("scope") in ("row", "col") for cell in table.iter("th"))
    for svg in root.iter("svg"):
        assert svg.get("aria-hidden") == "true"
    for figure_ in root.iter("figure"):
        assert figure_.find("details//table") is not None, "what is drawn is there as a table too"


def test_names_from_data_are_text_and_nothing_else(make_run):
    env = f"memagents_envs:MemAgents/{HOSTILE.replace('/', '')}-v0"
    runs = [make_run(0.5, CURVE, env="A/One-v0", memory=memory) for memory in ("gru", "none")]
    for run in runs:
        object.__setattr__(run.config, "env", env)
        object.__setattr__(run.config, "memory", run.config.memory + HOSTILE)
        run.record["command"] = run.record["commit"] = HOSTILE
        run.record["config"]["policy"] = HOSTILE
        run.record["config"]["algo_kwargs"] = {HOSTILE: HOSTILE}
    text = page(Findings.of(runs, {Path(HOSTILE.replace("\x00", "")): HOSTILE}))
    root = parse(text)
    assert len(list(root.iter("script"))) == 2
    assert text.count("<script") == 2
    assert "alert" in text
    assert "${question}" in text_of(root)
    (values,) = re.findall(r'<script type="application/json" id="values">(.*?)</script>', text)
    assert HOSTILE in json.loads(values)["curves0"]["lines"][0]["name"]


def test_a_study_of_fifteen_memories_fits_into_ten_megabytes(make_run):
    rng = np.random.default_rng(0)
    runs = [
        make_run(
            float(rng.random()),
            {step: float(rng.random()) for step in range(1000, 201_000, 1000)},
            success=False,
            env=f"A/Env{env}-v0",
            memory=f"memory{memory}",
            seed=seed,
            record=BOUNDS,
        )
        for env in range(2)
        for memory in range(15)
        for seed in range(3)
    ]
    # Of six environments; what belongs to none of them would count thrice here.
    assert len(page(Findings.of(runs, {})).encode()) < 10e6 * 2 / 6


def test_the_smallest_study_has_a_page(make_run):
    root = parse(page(Findings.of([make_run(0.5, {})], {})))
    assert "Only lstm was tried." in text_of(root)
    assert [node.get("id") for node in root.iter("section")] == ["answer", "results", "limits", "origin"]


def test_a_study_without_anything_in_common_has_a_page(make_run):
    runs = [make_run(0.5, CURVE, memory="gru"), make_run(0.5, CURVE, memory="none", env="A/One-v0")]
    assert "There is no answer yet" in text_of(parse(page(Findings.of(runs, {}))))


def test_the_same_runs_give_the_same_page(findings):
    assert page(findings) == page(Findings.of(findings.runs, findings.unfinished))


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_line_stands_out_from_its_ground(ground):
    colours = [readable(colour, ground) for colour in COLOURS]
    assert all(contrast(colour, GROUNDS[ground]) >= CONTRASTS[ground] >= 3.0 for colour in colours)
    assert len(set(colours)) == len(COLOURS)
    assert readable("#0072B2", "light") == "#0072b2"


def test_contrast_is_that_of_the_guidelines():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def mixed(colour: str, ground: str, share: float) -> str:
    """A colour of which a share covers the ground."""
    return "#" + "".join(
        f"{round(c * share + g * (1 - share)):02x}" for c, g in zip(channels(colour), channels(ground), strict=True)
    )


@pytest.mark.parametrize("scheme", [0, 1], ids=GROUNDS)
def test_text_is_readable_on_every_ground_that_it_stands_on(scheme):
    style = read("memagents.studies.pages", "style.css") + read("memagents.studies.report_page", "style.css")
    blocks = re.findall(r":root \{(.*?)\}", style, flags=re.DOTALL)
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", blocks[scheme]))
    assert colours["surface"] == list(GROUNDS.values())[scheme]
    for text in ("text", "soft", "accent"):
        for ground in ("ground", "surface", "wash"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    assert contrast(colours["warn"], colours["warn-wash"]) >= 4.5
    shades = re.findall(r"background: rgb\(var\(--(\w+)\) / ([\d.]+)\)", style)
    assert len(shades) == 16
    for name, share in shades:
        (parts,) = re.findall(rf"--{name}: (\d+) (\d+) (\d+);", blocks[scheme])
        shade = "#" + "".join(f"{int(part):02x}" for part in parts)
        assert contrast(colours["text"], mixed(shade, colours["ground"], float(share))) >= 4.5, (name, share)


def test_labels_keep_clear_of_each_other_and_of_points():
    x, y = [100.0, 110.0, 120.0, 300.0], [100.0, 104.0, 100.0, 200.0]
    boxes = place_labels(["one", "two", "three", "four"], x, y)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert not any(box.overflow() for box in boxes)


def test_axes_put_values_in_their_places():
    axis = Axis(0.0, 10.0, 100.0, 0.0)
    assert axis(np.array([0.0, 2.5, 10.0])).tolist() == [100.0, 75.0, 0.0]
    assert axis.ticks() == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    speeds = Axis(100.0, 10_000.0, 0.0, 2.0, logarithmic=True)
    assert float(speeds(1000.0)) == pytest.approx(1.0)
    assert speeds.ticks() == [100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10_000.0]
    assert padded([1.0, 1.0]) == (0.5, 1.5)


def test_elements_escape_what_is_given_to_them():
    assert element("b", "<i>", element("i", "&"), title='"') == '<b title="&quot;">&lt;i&gt;<i>&amp;</i></b>'
    assert element("line", x1=1.23456, y1=2, class_="a", hidden=None) == '<line x1="1.23" y1="2" class="a"/>'
    assert html.unescape(escaped("a\x00b\ud800")) == "a\ufffdb\ufffd"


def test_numbers_are_written_for_readers():
    assert [number(value) for value in (0.125, -0.001, 123.456, -1234.5)] == ["0.12", "0.00", "123.5", "-1,234"]
    assert [compact(value) for value in (0, 0.25, 950, 120_000, 1_500_000, np.inf)] == [
        *("0", "0.25", "950", "120k", "1.5M", "never"),
    ]
    assert [size(count) for count in (0, 1023, 1536)] == ["0 B", "1023 B", "1.5 KiB"]
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
