"""Predictions in the formats that clients ask for.

Axes: K joints; h, w rows and columns of a heatmap.
"""

import base64
import io
import json

import numpy as np

from api.inference.outcomes import ActionAnswer, FeatureAnswer, NeighbourAnswer, PoseAnswer
from api.schemas.collections import ItemRead, NeighbourRead, NeighboursRead
from api.schemas.predict import ActionRead, FeaturesRead, HeatmapsRead, KeypointRead, LabelRead, PoseRead
from pfa_core.figures import overlay
from pfa_core.gallery_item import GalleryItem
from pfa_core.images import write_png

COCO_HIDDEN, COCO_VISIBLE = 1, 2


def pose_read(answer: PoseAnswer, *, heatmaps: bool) -> PoseRead:
    """As JSON is made of."""
    found = answer.prediction
    height_px, width_px = answer.image.shape[:2]
    visible = [None] * len(found.joints) if found.visible is None else found.visible.tolist()
    return PoseRead(
        model=answer.model,
        width_px=width_px,
        height_px=height_px,
        box=answer.box,
        joints=list(found.joints.names),
        keypoints=[
            KeypointRead(
                joint=joint,
                x_px=round(float(x), 3),
                y_px=round(float(y), 3),
                score=round(float(score), 5),
                visible=seen,
            )
            for joint, (x, y), score, seen in zip(
                found.joints.names, found.keypoints_px, found.scores, visible, strict=True
            )
        ],
        heatmaps=_heatmaps_read(answer) if heatmaps else None,
    )


def _heatmaps_read(answer: PoseAnswer) -> HeatmapsRead:
    found = answer.prediction
    num_joints, rows, columns = found.heatmaps.shape
    return HeatmapsRead(
        joints=list(found.joints.names),
        shape=(num_joints, rows, columns),
        values=np.round(found.heatmaps.astype(np.float64), 4).tolist(),
        cells_to_image=found.cells_to_image.tolist(),
    )


def pose_npz(answer: PoseAnswer) -> bytes:
    """A numpy archive without pickles: joints, keypoints_px (K, 2), scores (K,), heatmaps (K, h, w), cells_to_image.

    And visible (K,) bool, where the model tells.
    """
    found = answer.prediction
    visible = {} if found.visible is None else {"visible": found.visible}
    archive = io.BytesIO()
    np.savez_compressed(
        archive,
        joints=np.array(found.joints.names),
        keypoints_px=found.keypoints_px,
        scores=found.scores,
        heatmaps=found.heatmaps,
        cells_to_image=found.cells_to_image,
        allow_pickle=False,
        **visible,
    )
    return archive.getvalue()


def pose_coco(answer: PoseAnswer) -> bytes:
    """COCO keypoints JSON of one image, one person and one category, whose keypoints are the model's joints.

    Their third number is 2, and 1 for those that are not visible.
    """
    found = answer.prediction
    height_px, width_px = answer.image.shape[:2]
    names = found.joints.names
    visible = np.ones(len(names), dtype=bool) if found.visible is None else found.visible
    flat = [
        number
        for (x, y), seen in zip(found.keypoints_px.astype(np.float64), visible, strict=True)
        for number in (round(float(x), 2), round(float(y), 2), COCO_VISIBLE if seen else COCO_HIDDEN)
    ]
    box = answer.box or (0.0, 0.0, float(width_px), float(height_px))
    skeleton = [[names.index(limb.start) + 1, names.index(limb.end) + 1] for limb in found.joints.limbs]
    document = {
        "info": {"description": f"pose by {answer.model}"},
        "images": [{"id": 1, "file_name": "image", "width": width_px, "height": height_px}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(names), "skeleton": skeleton}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": list(box),
                "area": box[2] * box[3],
                "keypoints": flat,
                "num_keypoints": len(names),
                "score": float(found.scores.mean()),
            }
        ],
    }
    return json.dumps(document).encode()


def pose_png(answer: PoseAnswer) -> bytes:
    """The image with heatmaps and skeleton drawn over it."""
    return write_png(overlay(answer.image, answer.prediction))


def action_read(answer: ActionAnswer) -> ActionRead:
    """As JSON is made of."""
    labels = [LabelRead(label=label, probability=probability) for label, probability in answer.prediction.ranked]
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
