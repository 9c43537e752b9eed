"""Several action sets as one, to learn a supervised initialisation from."""

from collections.abc import Sequence
from dataclasses import replace

from pfa_core.tables.sources import ActionSet


def pooled(sets: Sequence[ActionSet]) -> ActionSet:
    """The clips of all sets; with more than one, labels and groups bear their set's name: no class is in two sets."""
    if len(sets) == 1:
        return sets[0]
    clips = [
        replace(
            clip,
            name=f"{one.name}/{clip.name}",
            label=f"{one.name}/{clip.label}",
            group=None if clip.group is None else f"{one.name}/{clip.group}",
        )
        for one in sets
        for clip in one.clips
    ]
    contents = {path: sha256 for one in sets for path, sha256 in one.contents.items()}
    return ActionSet(name="all", clips=tuple(clips), contents=contents)
