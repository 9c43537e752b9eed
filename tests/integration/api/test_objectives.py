"""The objectives of pretraining, as they are asked for and as their models are used."""

from collections.abc import Callable

import httpx
import numpy as np
import pytest

from pfa_client import Client, ProblemError
from pfa_core.predict import FeatureExtractor
from tests.integration.api import media
from tests.integration.api.service import Service

Upload = Callable[..., list[str]]
PICTURE = media.picture(seed=3)


@pytest.mark.parametrize("objective", ["motion", "ranking", "steady"])
def test_an_objective_is_accepted_with_its_own_configuration(client: Client, upload: Upload, objective: str) -> None:
    config = {"gap_frames": 2, "learn": {"steps": 7}}
    job = client.start_job("pretrain", videos=upload("one", "two"), objective=objective, config=config)
    assert (job.spec["objective"], job.spec["config"]) == (objective, config)


def test_motion_is_the_objective_of_a_request_that_names_none(client: Client, upload: Upload) -> None:
    assert client.start_job("pretrain", videos=upload("one", "two")).spec["objective"] == "motion"


def test_random_takes_no_videos(service: Service, client: Client, upload: Upload) -> None:
    assert client.start_job("pretrain", objective="random", name="untrained").status == "queued"
    with service.http() as http:
        answer = http.post("/jobs/pretrain", json={"objective": "random", "videos": upload("one", "two")})
    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.UNPROCESSABLE_ENTITY, "dataset_unsuitable")
    assert "no videos" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"objective": "luck"}, "request_invalid", "objective"),
        ({"objective": "ranking", "config": {"slow_weight": 1}}, "config_invalid", "config.slow_weight"),
        ({"objective": "steady", "config": {"hard_after": 1}}, "config_invalid", "config.hard_after"),
        ({"objective": "ranking", "config": {"patch_px": 500}}, "config_invalid", "patch_px"),
        ({"objective": "random", "config": {"learn": {}}}, "config_invalid", "config.learn"),
        ({"objective": "random", "name": "random"}, "request_invalid", "name"),
    ],
)
def test_what_an_objective_does_not_know_is_named(service: Service, body: object, code: str, said: str) -> None:
    with service.http() as http:
        answer = http.post("/jobs/pretrain", json=body)
    assert (answer.status_code, answer.json()["code"]) == (httpx.codes.UNPROCESSABLE_ENTITY, code)
    assert said in answer.text


def test_short_videos_are_counted_by_what_the_objective_needs(client: Client, upload: Upload) -> None:
    """A clip of five frames serves pairs two frames apart, and no tuple of `steady`, which needs eight."""
    videos = upload("one", "short")
    assert client.start_job("pretrain", videos=videos, objective="ranking", config={"gap_frames": 2}).id
    with pytest.raises(ProblemError, match="at least 8 are needed"):
        client.start_job("pretrain", videos=videos, objective="steady", config={"gap_frames": 2})


def test_an_appearance_model_gives_features_and_starts_other_jobs(
    service: Service, client: Client, clips: dict[str, object], upload: Upload, name: str
) -> None:
    model = service.publish(name, "appearance")
    expected = FeatureExtractor.load(service.store.models.folder(model))(PICTURE)
    assert np.allclose(client.features(media.encoded(PICTURE), model=model.ref).values, expected, atol=1e-4)
    assert client.create_collection(f"{name}-gallery", model=model.ref)
    with service.http() as http:
        assert http.get(f"/models/{name}/versions/1").json()["kind"] == "appearance"
        assert http.get(f"/models/{name}/versions/1/filters.png").content.startswith(b"\x89PNG")
        answer = http.post("/jobs/evaluate", json={"model": name, "dataset": "nowhere"})
        assert answer.status_code == httpx.codes.NOT_FOUND
