"""Predictions in the formats that clients ask for.

Axes: K joints; h, w rows and columns of a heatmap.
"""

import base64
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from api.inference.outcomes import ActionAnswer, FeatureAnswer, NeighbourAnswer, PoseAnswer, PosedPerson
from api.schemas.collections import ItemRead, NeighbourRead, NeighboursRead
from api.schemas.predict import (
    ActionRead,
    FeaturesRead,
    HeatmapsRead,
    KeypointRead,
    LabelRead,
    PersonPoseRead,
    PoseRead,
)
from pfa_core.figures import overlay_people
from pfa_core.gallery_item import GalleryItem
from pfa_core.images import write_png
from pfa_core.pose_files import coco_category, coco_keypoints
from pfa_core.predict import PosePrediction
from pfa_core.video_poses import keypoints_of

NOBODY = "The detector found nobody. Send a `box`, or leave out `detect` to take the whole image."


def pose_read(answer: PoseAnswer, *, heatmaps: bool) -> PoseRead:
    """As JSON is made of."""
    height_px, width_px = answer.image.shape[:2]
    people = [_person_read(person, heatmaps=heatmaps) for person in answer.people]
    first = people[0] if people else None
    return PoseRead(
        model=answer.model,
        width_px=width_px,
        height_px=height_px,
        box=None if first is None else first.box,
        joints=list(answer.joints.names),
        keypoints=[] if first is None else first.keypoints,
        heatmaps=None if first is None else first.heatmaps,
        people=people,
        note=None if people else NOBODY,
    )


def _person_read(person: PosedPerson, *, heatmaps: bool) -> PersonPoseRead:
    found = person.prediction
    keypoints = [
        KeypointRead(joint=joint, x_px=x, y_px=y, score=score, visible=visible)
        for joint, (x, y, score, visible) in zip(found.joints.names, keypoints_of(found), strict=True)
    ]
    return PersonPoseRead(
        box=person.box,
        score=None if person.score is None else round(person.score, 4),
        keypoints=keypoints,
        heatmaps=_heatmaps_read(found) if heatmaps else None,
    )


def _heatmaps_read(found: PosePrediction) -> HeatmapsRead:
    num_joints, rows, columns = found.heatmaps.shape
    return HeatmapsRead(
        joints=list(found.joints.names),
        shape=(num_joints, rows, columns),
        values=np.round(found.heatmaps.astype(np.float64), 4).tolist(),
        cells_to_image=found.cells_to_image.tolist(),
    )


def pose_npz(answer: PoseAnswer) -> bytes:
    """A numpy archive without pickles, of P people: joints (K,), people_boxes (P, 4; the whole image where none was
    given), people_keypoints_px (P, K, 2), people_scores (P, K), people_heatmaps (P, K, h, w), people_cells_to_image
    (P, 2, 3), and people_visible (P, K) bool where the model tells.

    And those of the first of them as keypoints_px, scores, heatmaps, cells_to_image and visible, where there is one.
    """
    found = [person.prediction for person in answer.people]
    height_px, width_px = answer.image.shape[:2]
    boxes = [person.box or (0.0, 0.0, width_px, height_px) for person in answer.people]
    parts: dict[str, list[NDArray[Any]]] = {
        "keypoints_px": [one.keypoints_px for one in found],
        "scores": [one.scores for one in found],
        "heatmaps": [one.heatmaps for one in found],
        "cells_to_image": [one.cells_to_image for one in found],
        "visible": [one.visible for one in found if one.visible is not None],
    }
    known = {name: members for name, members in parts.items() if members}
    first = {name: members[0] for name, members in known.items()}
    everybody = {f"people_{name}": np.stack(members) for name, members in known.items()}
    boxes_px = np.array(boxes, dtype=np.float64).reshape(-1, 4)
    archive = io.BytesIO()
    np.savez_compressed(
        archive, allow_pickle=False, joints=np.array(answer.joints.names), people_boxes=boxes_px, **first, **everybody
    )
    return archive.getvalue()


def pose_coco(answers: Sequence[PoseAnswer]) -> bytes:
    """COCO keypoints JSON of images and their people, of one category, whose keypoints are the model's joints.

    Their third number is 2, and 1 for those that are not visible.
    """
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for number, answer in enumerate(answers, start=1):
        height_px, width_px = answer.image.shape[:2]
        images.append({"id": number, "file_name": answer.file, "width": width_px, "height": height_px})
        for person in answer.people:
            annotations.append({"id": len(annotations) + 1, "image_id": number, **_annotation(person, images[-1])})
    first = answers[0] if answers else None
    document = {
        "info": {} if first is None else {"description": f"pose by {first.model}"},
        "images": images,
        "categories": [] if first is None else [coco_category(first.joints)],
        "annotations": annotations,
    }
    return json.dumps(document).encode()


def _annotation(person: PosedPerson, image: Mapping[str, Any]) -> dict[str, Any]:
    found = person.prediction
    box = person.box or (0.0, 0.0, float(image["width"]), float(image["height"]))
    return {
        "category_id": 1,
        "iscrowd": 0,
        "bbox": list(box),
        "area": box[2] * box[3],
        "keypoints": coco_keypoints(keypoints_of(found)),
        "num_keypoints": len(found.joints),
        "score": float(found.scores.mean()),
    }


def pose_png(answer: PoseAnswer) -> bytes:
    """The image with heatmaps and skeletons drawn over it."""
    return write_png(overlay_people(answer.image, [person.prediction for person in answer.people]))


def action_read(answer: ActionAnswer, *, top: int | None = None) -> ActionRead:
    """As JSON is made of: all labels, or the `top` likeliest."""
    ranked = answer.prediction.ranked[:top]
    labels = [LabelRead(label=label, probability=probability) for label, probability in ranked]
    streams = list(answer.prediction.streams)
    return ActionRead(model=answer.model, num_frames=answer.num_frames, streams=streams, labels=labels)


def features_read(answer: FeatureAnswer) -> FeaturesRead:
    """As JSON is made of."""
    return FeaturesRead(model=answer.model, values=[float(value) for value in answer.feature])


def neighbours_read(answer: NeighbourAnswer, *, thumbnails: bool) -> NeighboursRead:
    """As JSON is made of."""
    items = [
        NeighbourRead(
            **item_read(answer.collection, found.id, found.item).model_dump(),
            distance=found.distance,
            thumbnail=None
            if jpeg is None or not thumbnails
            else f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}",
        )
        for found, jpeg in answer.found
    ]
    return NeighboursRead(collection=answer.collection, model=answer.model, items=items)


def item_read(collection: str, item_id: int, item: GalleryItem) -> ItemRead:
    """As JSON is made of."""
    return ItemRead(
        id=item_id,
        source=item.source,
        name=item.name,
        label=item.label,
        dataset=item.dataset,
        frame=item.frame,
        time_s=item.time_s,
        box=item.box,
        thumbnail_url=f"/collections/{collection}/items/{item_id}/thumbnail.jpg",
    )
