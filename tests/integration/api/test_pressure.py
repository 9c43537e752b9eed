"""What happens when there is too much to do, or too little disk."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from pfa_client import Client, ProblemError
from tests.integration.api.service import Service, running


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with two places for predictions, and a disk that counts as full."""
    with running(
        tmp_path_factory.mktemp("narrow"), PFA_MAX_QUEUE="1", PFA_MAX_BATCH="1", PFA_MIN_FREE_BYTES=str(2**62)
    ) as service:
        service.publish("actor", "action")
        yield service


def test_too_many_predictions_are_sent_away_and_told_when_to_return(narrow: Service, clips: dict[str, Path]) -> None:
    content = clips["one"].read_bytes()

    def ask(_number: int) -> httpx.Response:
        with narrow.http() as http:
            return http.post("/predict/action", params={"model": "actor"}, files={"file": ("one.mp4", content)})

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(ask, range(12)))
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) == {200, 503}
    refused = answers[statuses.index(503)]
    assert refused.json()["code"] == "queue_full"
    assert float(refused.headers["retry-after"]) >= 1


def test_the_client_comes_back_until_it_is_served(narrow: Service, clips: dict[str, Path]) -> None:
    def ask(_number: int) -> int:
        with Client(narrow.url, narrow.key, retries=30) as client:
            return client.predict_action(clips["one"], model="actor").num_frames

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(ask, range(4))) == [3] * 4


def test_a_full_disk_refuses_uploads_with_507(narrow: Service, clips: dict[str, Path]) -> None:
    with narrow.client() as client, pytest.raises(ProblemError) as refused:
        client.upload_videos([clips["one"]])
    assert (refused.value.status, refused.value.code) == (507, "disk_full")
