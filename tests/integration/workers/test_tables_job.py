"""A comparison by a real worker: from data sets to the tables that users fetch."""

import io
import json
from pathlib import Path

from pfa_store.datasets import ImageItem, Split, VideoItem
from pfa_store.specs import TablesSpec
from pfa_store.store import Store
from tests.integration.clips import moving_clip
from tests.integration.tables_runs import OVERRIDES
from tests.integration.workers.service import Service
from tests.unit.pfa_core.pictures import JOINTS, dotted_people
from tests.waiting import wait_for


def fill(store: Store, folder: Path) -> None:
    """Six clips of two labels, and six people; the last two of each are tested on."""
    clips = []
    for seed in range(6):
        video, _ = store.videos.add(io.BytesIO(moving_clip(num_frames=10, seed=seed)), filename=f"{seed}.mp4")
        split: Split = "test" if seed > 3 else "train"
        clips.append(VideoItem(video_id=video.id, label="left" if seed % 2 else "right", split=split))
    store.datasets.create_from_videos("moves", clips)
    people = []
    for n, person in enumerate(dotted_people(folder, 6)):
        image = store.images.add(person.image.read_bytes())
        part: Split = "test" if n > 3 else "train"
        people.append(ImageItem(file=f"{n}.png", image_sha256=image.sha256, person=person.to_json(), split=part))
    store.datasets.create_from_images("dots", JOINTS.names, people)


def test_a_comparison_leaves_tables(store: Store, service: Service, tmp_path: Path) -> None:
    fill(store, tmp_path)
    config = OVERRIDES | {"seeds": 1, "fractions": [1.0], "fraction_seeds": None}
    spec = TablesSpec(dataset="moves", action=["moves"], pose=["dots"], frames_of=["moves"], seed=3, config=config)
    job = store.jobs.add("tables", spec)
    service.start()
    wait_for(lambda: store.jobs.get(job.id).done, what="the end of the comparison", timeout_s=400)
    service.stop()
    ended = store.jobs.get(job.id)
    assert ended.status == "succeeded", ended.error_message
    assert ended.result is not None
    left = store.files.job_files(job.id, ended.token)
    assert sorted(path.name for path in left.iterdir()) == sorted(ended.result["files"])
    plain = json.loads((left / "tables.json").read_bytes())
    assert plain["num_done"] == plain["num_cells"] == ended.result["num_cells"]
    assert (plain["data"]["videos"], plain["data"]["kept_out"]) == (4, 2)
    assert plain["config"]["first_seed"] == 3
    assert {row["task"] for row in plain["rows"]} == {"pose", "action", "static"}
    told = [(one["task"], one["initialisation"], one["layers"]) for one in ended.result["findings"]]
    assert ("action", "motion", "last2") in told
    assert {one["verdict"] for one in ended.result["findings"]} == {"not known"}, "one seed shows nothing"
    assert "Table 4" in (left / "tables.md").read_text()
