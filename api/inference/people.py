"""From crops that went through the network to the poses of the people in several images."""

from collections.abc import Sequence

from torch import Tensor

from api.inference.outcomes import PoseAnswer, PosedPerson, Timing
from api.inference.pictures import ImageOf, PreparedPeople
from pfa_core.errors import InputError
from pfa_core.predict import PosePredictor


def finished_poses(
    predictor: PosePredictor,
    asked: Sequence[ImageOf],
    looked: Sequence[PreparedPeople | BaseException],
    rows: Tensor | None,
    *,
    model: str,
    timing: Timing,
) -> list[PoseAnswer | InputError]:
    """The answer about each image, or why it cannot be used.

    Args:
        rows: (N, K, h, w) heatmaps of all people of all images that were prepared, in order; None: there are none.

    Raises:
        BaseException: what is wrong with no image of `looked`, but with us.
    """
    answers: list[PoseAnswer | InputError] = []
    first = 0
    for image, one in zip(asked, looked, strict=True):
        if isinstance(one, InputError):
            answers.append(one)
            continue
        if isinstance(one, BaseException):
            raise one
        people = []
        for box, score, crop in one.people:
            assert rows is not None
            prediction = predictor.finish(rows[first : first + 1], crop.place)
            people.append(PosedPerson(box=box, score=score, prediction=prediction))
            first += 1
        answers.append(
            PoseAnswer(
                model=model, file=image.file, image=one.image, joints=predictor.joints, people=people, timing=timing
            )
        )
    return answers
