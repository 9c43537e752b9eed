"""`pfa export`, as a shell calls it."""

import json
from pathlib import Path

import onnx
from typer.testing import CliRunner

from pfa.cli import app
from pfa_core.manifest import Lineage
from pfa_core.models import load_model, save_model
from tests.unit.pfa_core.every_model import case_of


def model(tmp_path: Path) -> Path:
    case = case_of("pose")
    save_model(tmp_path / "model", case.new(), config=case.config, lineage=Lineage(), metrics={})
    return tmp_path / "model"


def test_a_folder_becomes_a_file_of_each_format(tmp_path: Path) -> None:
    source = model(tmp_path)
    for form, name in (("onnx", "a.onnx"), ("safetensors", "a.safetensors"), ("folder", "a.zip"), ("folder", "a")):
        done = CliRunner().invoke(app, ["export", str(source), "--format", form, "--out", str(tmp_path / name)])
        assert (done.exit_code, done.output.strip()) == (0, str(tmp_path / name))
    told = CliRunner().invoke(app, ["export", str(source), "--out", str(tmp_path / "b.onnx"), "--json"])
    assert json.loads(told.stdout) == {"model": str(source), "file": str(tmp_path / "b.onnx"), "format": "onnx"}
    onnx.checker.check_model(onnx.load(tmp_path / "a.onnx"))
    assert load_model(tmp_path / "a")[1] == load_model(source)[1]


def test_what_cannot_be_exported_is_told_in_a_line(tmp_path: Path) -> None:
    again = CliRunner().invoke(app, ["export", str(model(tmp_path)), "--out", str(tmp_path / "model")])
    assert (again.exit_code, "exists already" in again.output) == (1, True)
    (tmp_path / "empty").mkdir()
    empty = CliRunner().invoke(app, ["export", str(tmp_path / "empty"), "--out", str(tmp_path / "a.onnx")])
    assert (empty.exit_code, "manifest.json" in empty.output) == (1, True)
