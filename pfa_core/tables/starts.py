"""The models that finetuning starts from: given as folders, or learned here under the comparison's budget."""

import shutil
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from torch import nn

from pfa_core.checkpoint import digest_of
from pfa_core.config.tables import RANDOM, TablesConfig
from pfa_core.errors import ModelUnsuitable
from pfa_core.finetune_action import ActionResult, finetune_action
from pfa_core.manifest import Lineage, Manifest, ModelConfig
from pfa_core.models import WEIGHTS, copy_backbone, library_version, load_model, read_manifest, save_model
from pfa_core.nets.vggm import VggM
from pfa_core.objectives import VideosConfig, learn_objective, pretrained_model_config
from pfa_core.progress import Progress
from pfa_core.tables.pooled import pooled
from pfa_core.tables.sources import TablesData
from pfa_core.video.limits import DecodeLimits

LAYOUT = 1
"""Changes when the same configuration and data give other cells than before."""


@dataclass(frozen=True, kw_only=True)
class Starts:
    """Where the model of each initialisation is, or will be."""

    config: TablesConfig
    data: TablesData
    folder: Path
    given: Mapping[str, Path] = field(default_factory=dict)
    """Initialisation -> model folder."""

    def check(self) -> None:
        """See that every given model can be started from.

        Raises:
            ModelDamaged: it does not read.
            ModelUnsuitable: it is of another shape than the networks of the comparison.
        """
        for name, folder in self.given.items():
            try:
                copy_backbone(load_model(folder)[0], VggM(self.config.pose.net))
            except ModelUnsuitable as error:
                raise ModelUnsuitable(f"Nothing can start from the model of {name!r}: {error}") from error

    def place(self, name: str, seed: int) -> Path | None:
        """The model folder that the finetuning runs with this seed start from; None: from no model."""
        if name == RANDOM:
            return None
        if name in self.given:
            return self.given[name]
        seed = self.config.pretraining_seed(seed)
        return self.folder / f"{name}-{seed}-{self._digest(name, seed)[:12]}"

    def sha256(self, name: str, seed: int) -> str | None:
        """Of the weights, for what depends on them; None where there are none, or none yet."""
        folder = self.place(name, seed)
        return (
            None if folder is None or not self.ready(name, seed) else read_manifest(folder, verify=False).files[WEIGHTS]
        )

    def ready(self, name: str, seed: int) -> bool:
        """Whether runs can start from it."""
        folder = self.place(name, seed)
        return folder is None or (folder / "manifest.json").is_file()

    def load(self, name: str, seed: int) -> nn.Module | None:
        """The network, in evaluation mode on the CPU. Raises: ModelDamaged."""
        folder = self.place(name, seed)
        return None if folder is None else load_model(folder)[0]

    def manifest(self, name: str, seed: int) -> Manifest | None:
        """What the model's folder says; None: no model."""
        folder = self.place(name, seed)
        return None if folder is None else read_manifest(folder, verify=False)

    def learn(self, name: str, seed: int, *, work: Path, device: str) -> Generator[Progress, None, None]:
        """Train the model and write its folder; `work` has the checkpoints, and is removed in the end.

        Raises:
            As the recipes raise; TrainingDiverged among them, for there is nothing to start from then.
        """
        folder = self.place(name, seed)
        assert folder is not None
        if name == "action":
            clips = pooled(self.data.action)
            run: ActionResult = yield from finetune_action(
                clips.clips, config=self.config.action, folder=work, seed=seed, device=device,
                limits=DecodeLimits(),
            )  # fmt: skip
            items = {clips.contents[clip.path] for clip in clips.trained}
            self._save(folder, run.model, run.config, dict(run.metrics), name=name, seed=seed, items=items)
        else:
            config = self._objective(name)
            videos = [video.open() for video in self.data.videos]
            learned = yield from learn_objective(videos, config=config, folder=work, seed=seed, device=device)
            refused = {one.name for one in learned.left_out}
            items = {video.sha256 for video in self.data.videos if video.name not in refused}
            model_config = pretrained_model_config(config)
            self._save(folder, learned.model, model_config, learned.metrics, name=name, seed=seed, items=items)
        shutil.rmtree(work, ignore_errors=True)

    def _save(
        self,
        folder: Path,
        model: nn.Module,
        config: ModelConfig,
        metrics: Mapping[str, float],
        *,
        name: str,
        seed: int,
        items: set[str],
    ) -> None:
        lineage = Lineage(
            objective=name,
            items_sha256=tuple(sorted(items)),
            seed=seed,
            code=library_version(),
            created=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        save_model(folder, model, config=config, lineage=lineage, metrics=metrics)

    def _objective(self, name: str) -> VideosConfig:
        by_name: dict[str, VideosConfig] = {
            "motion": self.config.motion, "ranking": self.config.ranking, "steady": self.config.steady,
        }  # fmt: skip
        return by_name[name]

    def _digest(self, name: str, seed: int) -> str:
        """Of all that the model depends on."""
        if name == "action":
            return digest_of(LAYOUT, name, seed, self.config.action, [clips.identity for clips in self.data.action])
        videos = [(video.name, video.sha256, video.group, video.split) for video in self.data.videos]
        return digest_of(LAYOUT, name, seed, self._objective(name), videos)
