"""Model folders for tests of the store, which looks at no weights."""

from pathlib import Path

from pfa_core.config.net import NetConfig
from pfa_core.manifest import Lineage, Manifest, ModelConfig
from pfa_core.skeleton import FLIC

MANIFEST = Manifest(
    config=ModelConfig(kind="pose", net=NetConfig(), joints=FLIC),
    lineage=Lineage(dataset="gym", items_sha256=("a" * 64,), seed=3),
    metrics={"pck": 0.5},
    files={},
)


def model_folder(folder: Path, content: str = "weights") -> Path:
    """A folder that stands for a finished model."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_text(content)
    return folder
