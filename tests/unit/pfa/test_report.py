"""The demo's report: a browser can show it, a program can read it, and a file's name cannot break it."""

import base64
import dataclasses
import io
import json
import math
from html.parser import HTMLParser
from pathlib import Path

import pytest
from PIL import Image

from pfa.report import (
    Comparison,
    DemoReport,
    LeftOut,
    NextCommand,
    Picture,
    Prediction,
    Pretraining,
    Result,
    Timing,
    read_report,
    write_report,
)

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>.mp4'


def png(shade: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8 + shade, 5), (shade, 10, 200)).save(stream, "PNG")
    return stream.getvalue()


def full_report() -> DemoReport:
    return DemoReport(
        title="PFA demo", summary="Pose features from 64 clips.", seed=7,
        settings={"num_actors": 8, "width": 0.25, "preset": "small", "flip": True},
        machine={"cpu": "2 cores", "torch": "2.13"},
        timings=(Timing(stage="clips", seconds=12.5), Timing(stage="pretrain", seconds=95.0)),
        pretraining=Pretraining(
            model="demo@1", num_videos=64, steps=300, accuracy=0.913, chance=2 / 3, auc=0.95, loss=0.21,
            curves=Picture(caption="Loss and accuracy", png=png(1)),
        ),
        filters=Picture(caption="conv1", png=png(2)),
        comparisons=(
            Comparison(
                task="Pose", columns=("PDJ@0.2", "PCP"), num_items=96, items="images of 2 people", note="Small sample.",
                rows=(
                    Result(init="motion", model="pose@1", values=(0.62, 0.41)),
                    Result(init="random", model="pose@2", values=(0.48, math.nan)),
                ),
            ),
            Comparison(
                task="Action", columns=("top-1",), num_items=16, items="clips",
                rows=(
                    Result(init="motion", model="a@1", values=(0.75,)),
                    Result(init="random", model="a@2", values=(0.5,)),
                ),
            ),
        ),
        heatmaps=(Picture(caption="walk", png=png(3)), Picture(caption="jump", png=png(4))),
        predictions=(
            Prediction(clip="walk_03.mp4", true_label="walk", top=(("walk", 0.8), ("run", 0.15), ("bend", 0.05))),
            Prediction(clip="run_03.mp4", true_label="run", top=(("walk", 0.5), ("run", 0.4), ("bend", 0.1))),
        ),
        pairs=(Picture(caption="nearest", png=png(5)),),
        left_out=(LeftOut(video="still.mp4", code="video_still", message="Nothing moves in it."),),
        next_commands=(NextCommand(says="Ask the model", command="pfa predict action clip.mp4 --model demo@1"),),
    )  # fmt: skip


def bare_report() -> DemoReport:
    return DemoReport(title="PFA on your videos", summary="", seed=0, settings={}, machine={}, timings=())


class Page(HTMLParser):
    """Collects tags and text; knows the elements that need no end tag."""

    VOID = frozenset({"meta", "img", "br", "link", "input"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def ids(self) -> set[str]:
        return {str(attributes["id"]) for _, attributes in self.tags if "id" in attributes}


def open_page(folder: Path, report: DemoReport) -> Page:
    page = Page(write_report(folder, report).read_text(encoding="utf-8"))
    assert page.open == [], "every element is closed"
    return page


def test_the_page_shows_every_part(tmp_path: Path) -> None:
    page = open_page(tmp_path, full_report())
    sections = {"pretraining", "comparison", "pose", "actions", "pairs", "filters", "left-out", "next", "run"}
    assert page.ids() == sections
    for words in (
        "91.3", "66.7", "demo@1", "PDJ@0.2", "62.0", "Scored on 96 images of 2 people. Small sample.",
        "1 of 2 held-out clips", "video_still", "pfa predict action", "seed", "1 min 48 s",
    ):  # fmt: skip
        assert words in page.text.replace("\N{NO-BREAK SPACE}", " "), words


def test_every_picture_is_embedded_and_opens(tmp_path: Path) -> None:
    page = open_page(tmp_path, full_report())
    sources = [(attributes["src"] or "", attributes["alt"]) for tag, attributes in page.tags if tag == "img"]
    assert [alt for _, alt in sources] == ["Loss and accuracy", "walk", "jump", "nearest", "conv1"]
    shades = []
    for source, _ in sources:
        head, _, body = source.partition(",")
        assert head == "data:image/png;base64"
        image = Image.open(io.BytesIO(base64.b64decode(body, validate=True)))
        shades.append(image.convert("RGB").getpixel((0, 0)))
    assert shades == [(shade, 10, 200) for shade in (1, 3, 4, 5, 2)]


def test_nothing_is_loaded_from_elsewhere(tmp_path: Path) -> None:
    page = open_page(tmp_path, full_report())
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object"}
    for _, attributes in page.tags:
        for name in ("src", "href"):
            assert (attributes.get(name) or "data:").startswith("data:")


def test_the_best_of_a_column_is_marked(tmp_path: Path) -> None:
    source = write_report(tmp_path, full_report()).read_text(encoding="utf-8")
    marked = [part.split("<")[0].replace("\N{NO-BREAK SPACE}", "") for part in source.split('class="n best">')[1:]]
    assert marked == ["62.0%", "75.0%"]  # PCP has one value only: nothing to compare


@pytest.mark.parametrize("report", [full_report(), bare_report()], ids=["full", "bare"])
def test_json_gives_the_report_back(report: DemoReport, tmp_path: Path) -> None:
    write_report(tmp_path, report)
    assert read_report(tmp_path) == report


def test_json_holds_seed_and_figures_and_names_its_pictures(tmp_path: Path) -> None:
    write_report(tmp_path, full_report())
    plain = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert plain["seed"] == 7
    assert plain["pretraining"]["accuracy"] == 0.913
    assert plain["comparisons"][0]["rows"][1]["values"] == [0.48, None]
    for picture in (plain["filters"], plain["pretraining"]["curves"], *plain["heatmaps"], *plain["pairs"]):
        with Image.open(tmp_path / picture["file"]) as image:
            assert image.format == "PNG"


def test_a_run_without_labels_has_fewer_sections(tmp_path: Path) -> None:
    full = full_report()
    report = dataclasses.replace(bare_report(), pretraining=full.pretraining, pairs=full.pairs)
    assert open_page(tmp_path, report).ids() == {"pretraining", "pairs", "run"}
    assert open_page(tmp_path, bare_report()).ids() == {"run"}


def test_a_hostile_name_stays_text(tmp_path: Path) -> None:
    report = dataclasses.replace(
        full_report(),
        heatmaps=(Picture(caption=HOSTILE, png=png(9)),),
        predictions=(Prediction(clip=HOSTILE, true_label=HOSTILE, top=((HOSTILE, 1.0),)),),
        left_out=(LeftOut(video=HOSTILE, code="video_unreadable", message=HOSTILE),),
        next_commands=(NextCommand(says="x", command=HOSTILE),),
        settings={HOSTILE: HOSTILE},
    )
    page = open_page(tmp_path, report)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    assert page.text.count(HOSTILE) == 9
    assert [attributes["alt"] for tag, attributes in page.tags if tag == "img"].count(HOSTILE) == 1
    assert read_report(tmp_path) == report


def test_a_row_needs_a_value_per_column() -> None:
    with pytest.raises(ValueError, match="values"):
        Comparison(
            task="Pose", columns=("PDJ", "PCP"), num_items=1, items="images",
            rows=(Result(init="motion", model="m", values=(0.5,)),),
        )  # fmt: skip
