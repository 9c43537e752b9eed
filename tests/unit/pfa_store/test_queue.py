"""How Celery is set up. Source: DESIGN, "Jobs"; each line has its reason in `pfa_store/queue.py`."""

from pathlib import Path

import pytest

from pfa_store.queue import make_celery
from pfa_store.settings import Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("task_acks_late", False),
        ("accept_content", ["json"]),
        ("task_serializer", "json"),
        ("result_backend", None),
        ("task_ignore_result", True),
        ("worker_disable_prefetch", True),
        ("worker_prefetch_multiplier", 1),
        ("worker_pool", "prefork"),
        ("worker_concurrency", 1),
        ("worker_cancel_long_running_tasks_on_connection_loss", False),
        ("broker_connection_retry", True),
        ("broker_connection_retry_on_startup", True),
        ("broker_connection_max_retries", None),
        ("broker_url", "redis://host:1/0"),
    ],
)
def test_celery_is_set_up_as_designed(tmp_path: Path, name: str, value: object) -> None:
    app = make_celery(Settings(data_dir=tmp_path, broker_url="redis://host:1/0"))
    assert app.conf[name] == value


def test_there_is_no_result_backend(tmp_path: Path) -> None:
    assert make_celery(Settings(data_dir=tmp_path)).backend.as_uri() == "disabled://"
