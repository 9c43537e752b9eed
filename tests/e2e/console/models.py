"""Models that need no training: random weights, brought to the service over HTTP as anybody would."""

from pathlib import Path

import torch

from pfa_client import Client
from pfa_core.config.net import NetConfig
from pfa_core.manifest import Lineage, ModelConfig, ModelKind
from pfa_core.model_export import export_model
from pfa_core.models import build, save_model
from pfa_core.skeleton import FLIC
from tests.e2e.conftest import UpProcess

LABELS = ("run", "walk", "wave")
CROP_PX = 64


def client_of(up: UpProcess) -> Client:
    return Client(up.url, up.admin_key)


def bring(up: UpProcess, folder: Path, kind: ModelKind, name: str) -> str:
    """Make a model in `folder` and import it; `name@version`."""
    config = ModelConfig(
        kind=kind,
        net=NetConfig(width=1 / 32, crop_px=CROP_PX, norm="batch"),
        joints=FLIC if kind == "pose" else None,
        labels=LABELS if kind == "action" else (),
        settings={"short_side_px": CROP_PX, "test_frames": 3} if kind == "action" else {},
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        save_model(folder / name, build(config), config=config, lineage=Lineage(seed=0), metrics={})
    export_model(folder / name, folder / f"{name}.zip", form="folder")
    with client_of(up) as client:
        return client.import_model(folder / f"{name}.zip", name).ref
