"""The cells of a comparison, in the order in which they are done."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from pfa_core.config.tables import LEARNED, RANDOM, TablesConfig
from pfa_core.errors import ConfigInvalid
from pfa_core.tables.cell import Cell, Layers
from pfa_core.tables.sources import ActionSet, TablesData


def plan(config: TablesConfig, data: TablesData, *, given: Mapping[str, Path]) -> list[Cell]:
    """All cells: first the models to start from, then the first seed of everything, the second, ...

    So a comparison that is stopped half way has every row, on fewer seeds. Within a seed the runs on all labels come
    first.

    Args:
        given: initialisation -> folder of a model that need not be trained.

    Raises:
        ConfigInvalid: an initialisation that is neither known nor given, or that there is no data to learn from.
    """
    for name in config.initialisations:
        _check(name, data, given)
    finetuned = list(_finetuned(config, data))
    needed = {(cell.initialisation, config.pretraining_seed(cell.seed)) for cell in finetuned}
    learned = [
        Cell(task="learn", initialisation=name, seed=seed)
        for seed in range(config.first_seed, config.first_seed + config.pretraining_seeds)
        for name in config.initialisations
        if name != RANDOM and name not in given and (name, seed) in needed
    ]
    looked = [
        Cell(task="look", initialisation=name, seed=config.first_seed)
        for name in config.initialisations
        if (name, config.first_seed) in needed
    ]
    first = [cell for cell in finetuned if cell.seed == config.first_seed]
    return [*learned, *first, *looked, *finetuned[len(first) :]]


def _check(name: str, data: TablesData, given: Mapping[str, Path]) -> None:
    if name == RANDOM or name in given:
        return
    if name not in LEARNED:
        raise ConfigInvalid(f"The initialisation {name!r} is not known here: give a model folder of it.")
    if name == "action" and not data.action:
        raise ConfigInvalid("The initialisation 'action' learns from labelled clips, and there are none.")
    if name != "action" and not data.videos:
        raise ConfigInvalid(f"The initialisation {name!r} learns from videos, and there are none; or give its model.")


def _finetuned(config: TablesConfig, data: TablesData) -> Iterator[Cell]:
    fractions = sorted(set(config.fractions), reverse=True)
    for seed in range(config.first_seed, config.first_seed + config.seeds):
        for fraction in fractions:
            for cell in _of_seed(config, data, fraction=fraction, seed=seed):
                if seed in config.seeds_of(cell.initialisation, fraction=fraction):
                    yield cell


def _of_seed(config: TablesConfig, data: TablesData, *, fraction: float, seed: int) -> Iterator[Cell]:
    for people in data.pose:
        for name in config.initialisations:
            yield Cell(task="pose", data=people.name, initialisation=name, fraction=fraction, seed=seed)
    for clips in data.action:
        for name in config.initialisations:
            for layers in _layers_of(name, clips, config=config, fraction=fraction):
                if not _saw_its_labels(name, clips.name, data):
                    yield Cell(
                        task="action", data=clips.name, initialisation=name, layers=layers, fraction=fraction, seed=seed
                    )
    if fraction == 1:
        for images in data.static:
            for name in config.initialisations:
                if not _saw_its_labels(name, data.stills_of.get(images.name), data):
                    yield Cell(task="static", data=images.name, initialisation=name, seed=seed)


def _layers_of(name: str, clips: ActionSet, *, config: TablesConfig, fraction: float) -> Iterator[Layers]:
    """With fewer labels the whole network alone; the two new layers over random ones would show nothing."""
    yield "full"
    if fraction == 1 and name != RANDOM:
        yield "last2"
    if fraction == 1 and config.two_stream and not any(clip.still for clip in clips.clips):
        yield "two_stream"


def _saw_its_labels(name: str, clips: str | None, data: TablesData) -> bool:
    """Whether an initialisation was learned from the very labels that a cell is about: it would learn them twice."""
    return name == "action" and any(found.name == clips for found in data.action)
