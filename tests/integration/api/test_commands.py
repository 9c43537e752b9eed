"""The commands of `pfa` that talk to a service, against a running one."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from pfa.cli import app
from pfa_client import Client
from pfa_core.models import load_model
from tests.integration.api import media
from tests.integration.api.service import Service


def pfa(service: Service, *arguments: object, exit_code: int = 0) -> Result:
    environment = {"PFA_URL": service.url, "PFA_KEY": service.key, "COLUMNS": "250"}
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], env=environment)
    assert result.exit_code == exit_code, result.output
    assert "Traceback" not in result.output
    return result


def told(service: Service, *arguments: object, exit_code: int = 0) -> Any:
    return json.loads(pfa(service, *arguments, "--json", exit_code=exit_code).stdout)


def test_videos_come_and_go(service: Service, client: Client, clips: dict[str, Path], tmp_path: Path) -> None:
    own = media.clip(tmp_path / "own.mp4", num_frames=80, seed=29)  # no other test's data set holds it
    sent = pfa(service, "videos", "upload", own, clips["text"], "--json", exit_code=1)
    answer = json.loads(sent.stdout)
    (video,) = answer["videos"]
    assert [each["file"] for each in answer["refused"]] == [str(clips["text"])]
    assert "MiB" in sent.stderr, "how far it is"
    assert video["id"] in {each["id"] for each in told(service, "videos", "list")}
    assert video["id"] in pfa(service, "videos", "list").stdout
    pfa(service, "videos", "delete", video["id"], exit_code=1)
    assert told(service, "videos", "delete", video["id"], "--yes") == {"deleted": [video["id"]]}
    assert video["id"] not in {each.id for each in client.videos()}


def test_a_folder_without_videos_is_told(service: Service, tmp_path: Path) -> None:
    assert "no videos" in pfa(service, "videos", "upload", tmp_path, exit_code=1).stderr


def test_data_sets_come_and_go(service: Service, clips: dict[str, Path], name: str) -> None:
    ids = [told(service, "videos", "upload", clips[each])["videos"][0]["id"] for each in ("one", "two")]
    made = told(service, "datasets", "create", name, *ids)
    assert (made["name"], made["num_items"]) == (name, 2)
    assert name in {each["name"] for each in told(service, "datasets", "list", "--limit", 3)}
    shown = told(service, "datasets", "show", name)
    assert [item["video_id"] for item in shown["items"]] == ids
    assert "2 items of videos" in pfa(service, "datasets", "show", name).stdout
    pfa(service, "datasets", "create", f"{name}-files", "--file", clips["one"], "--file", clips["two"])
    for each in (name, f"{name}-files"):
        assert told(service, "datasets", "delete", each, "--yes") == {"deleted": each}
    assert "There is no" in pfa(service, "datasets", "show", name, exit_code=1).stderr
    pfa(service, "datasets", "create", name, exit_code=2)


def test_models_are_shown_promoted_fetched_and_deleted(service: Service, tmp_path: Path, name: str) -> None:
    service.publish(name, "pose", seed=1)
    service.publish(name, "pose", seed=2)
    assert {each["name"]: len(each["versions"]) for each in told(service, "models", "list")}[name] == 2
    assert told(service, "models", "show", name)["version"] == 2
    assert "# pose model" in pfa(service, "models", "show", f"{name}@1").stdout
    assert told(service, "models", "promote", f"{name}@1") == {"name": name, "alias": "production", "version": 1}
    assert told(service, "models", "show", f"{name}@production")["version"] == 1
    folder = tmp_path / "model"
    told(service, "models", "download", f"{name}@production", "--out", folder)
    _, manifest = load_model(folder)
    assert manifest.config.kind == "pose"
    assert "there already" in pfa(service, "models", "download", name, "--out", folder, exit_code=1).stderr
    assert "production" in pfa(service, "models", "delete", f"{name}@1", "--yes", exit_code=1).stderr
    assert told(service, "models", "delete", f"{name}@2", "--yes") == {"deleted": f"{name}@2"}
    assert "2" in pfa(service, "models", "show", f"{name}@2", exit_code=1).stderr
    assert "@3" in pfa(service, "models", "delete", name, "--yes", exit_code=1).stderr


@pytest.mark.parametrize("file", ["weights.safetensors", "archive.zip"])
def test_a_model_leaves_and_comes_back(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, file: str
) -> None:
    service.publish(name, "pose", seed=3)
    monkeypatch.chdir(tmp_path)
    form = "folder" if file.endswith(".zip") else "safetensors"
    command = ("models", "export", name, "--format", form, "--out", file)
    made = told(service, *command)
    assert made == {"model": f"{name}@1", "file": file, "format": form}
    assert [path.name for path in tmp_path.iterdir()] == [file]
    assert "there already" in pfa(service, *command, exit_code=1).stderr
    back = told(service, "models", "import", tmp_path / made["file"], f"{name}-back")
    assert (back["ref"], back["kind"]) == (f"{name}-back@1", "pose")
    ours, theirs = (told(service, "models", "download", each, "--out", each)["folder"] for each in (name, back["ref"]))
    weights = [load_model(tmp_path / folder)[0].state_dict() for folder in (ours, theirs)]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    again = pfa(service, "models", "import", tmp_path / ours, f"{name}-back")
    assert f"{name}-back@2 is a pose model" in again.stdout


def test_what_is_no_model_is_refused(service: Service, clips: dict[str, Path], tmp_path: Path) -> None:
    assert pfa(service, "models", "import", clips["text"], "nothing", exit_code=1).stderr
    assert "manifest" in pfa(service, "models", "import", tmp_path, "nothing", exit_code=1).stderr
    assert "no model" in pfa(service, "models", "export", "nothing", exit_code=1).stderr


def test_collections_and_workers_are_listed(service: Service, client: Client, name: str) -> None:
    service.publish(name, "triplet")
    client.create_collection(name, model=name)
    assert name in {each["name"] for each in told(service, "collections", "list")}
    assert name in pfa(service, "collections", "list").stdout
    assert told(service, "workers") == []
    assert "pfa worker" in pfa(service, "workers").stdout


def test_jobs_are_stopped_and_waited_for(service: Service, client: Client, clips: dict[str, Path]) -> None:
    job = client.start_job("flow", files=[clips["one"]])
    assert told(service, "jobs", "cancel", job.id)["status"] == "cancelled"
    waited = pfa(service, "jobs", "wait", job.id, "--json", exit_code=1)
    assert json.loads(waited.stdout)["status"] == "cancelled"
    shown = told(service, "jobs", "show", job.id)
    assert (shown["id"], shown["status"], shown["checkpoints"]) == (job.id, "cancelled", [])
    lines = pfa(service, "jobs", "show", job.id).stdout.splitlines()
    assert {f"id: {job.id}", "status: cancelled", "spec:", f"  dataset: {shown['spec']['dataset']}"} <= set(lines)
    assert told(service, "jobs", "logs", job.id) == {"job": job.id, "lines": []}
    assert job.id in pfa(service, "jobs", "list", "--limit", 5).stdout
    assert [event.kind for event in job.events()][-1:] == [list(client.job_events(job.id))[-1].kind]


@pytest.mark.parametrize("key", ["", "pfa_wrong"])
def test_without_a_key_the_next_step_is_told(service: Service, key: str) -> None:
    environment = {"PFA_URL": service.url, "PFA_KEY": key}
    result = CliRunner().invoke(app, ["jobs", "list"], env=environment)
    assert result.exit_code == 1
    assert "PFA_KEY" in result.stderr
