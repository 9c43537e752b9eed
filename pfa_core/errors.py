"""Every deliberate error of the core. The store and the API add their own leaves to the same tree.

PfaError
  InputError            what was given cannot be used; a different input would work
    VideoUnsupported    not one of the allowed containers, or it holds no video stream
    VideoUnreadable     the container or its packets are damaged
    VideoTooLarge       over a cap on bytes, pixels, frames or duration
    VideoTooShort       fewer frames than a sample needs
    VideoStill          nothing moves in it
    VideoUntrackable    no patch of it can be followed: too little moves, or all of it does
    DecodeTimeout       decoding ran past its wall-clock limit
    NoUsableVideos      every video of a job was left out
    ImageUnreadable     not a JPEG, PNG or WebP, or damaged
    ImageTooLarge       over the pixel cap
    ImageTooSmall       too few pixels to say anything
    BoxOutsideImage     a person box that does not touch the image
    AnnotationsInvalid  an annotation file that does not say what it must
    DatasetUnsuitable   a data set without what the job needs (joints, labels, enough items)
    ModelUnsuitable     a model of another kind than the job or the request needs
    ModelUnreadable     a model from outside that does not say what it must
    ConfigInvalid       a value out of range or a key that does not exist
    ItemNotFound        an item that a gallery does not hold
  DamageError           something that we wrote does not read back
    PackDamaged, CheckpointDamaged, ModelDamaged, IndexDamaged
  CheckpointMismatch    a checkpoint of a run with another configuration
  TrainingDiverged      the loss is not finite
  RankLost              one of the processes that train together died
  OutOfMemory           a computation needs more memory than there is
"""

from typing import ClassVar


class PfaError(Exception):
    """The root. A leaf sets `code`; its message tells the user what to do; `facts` are for machines."""

    code: ClassVar[str] = ""

    def __init__(self, message: str, **facts: object) -> None:
        super().__init__(message)
        self.facts = facts


class InputError(PfaError):
    """What was given cannot be used."""


class VideoUnsupported(InputError):
    code = "video_unsupported"


class VideoUnreadable(InputError):
    code = "video_unreadable"


class VideoTooLarge(InputError):
    code = "video_too_large"


class VideoTooShort(InputError):
    """A video with fewer frames than a sample needs."""

    code = "video_too_short"

    def __init__(self, *, num_frames: int, needed: int) -> None:
        super().__init__(
            f"The video has {num_frames} frames; at least {needed} are needed. Send a longer clip.",
            num_frames=num_frames,
            needed=needed,
        )


class VideoStill(InputError):
    code = "video_still"


class VideoUntrackable(InputError):
    code = "video_untrackable"


class DecodeTimeout(InputError):
    code = "decode_timeout"


class NoUsableVideos(InputError):
    code = "no_usable_videos"


class ImageUnreadable(InputError):
    code = "image_unreadable"


class ImageTooLarge(InputError):
    code = "image_too_large"


class ImageTooSmall(InputError):
    code = "image_too_small"


class BoxOutsideImage(InputError):
    code = "box_outside_image"


class AnnotationsInvalid(InputError):
    code = "annotations_invalid"


class DatasetUnsuitable(InputError):
    code = "dataset_unsuitable"


class ModelUnsuitable(InputError):
    code = "model_unsuitable"


class ModelUnreadable(InputError):
    code = "model_unreadable"


class ConfigInvalid(InputError):
    code = "config_invalid"


class ItemNotFound(InputError):
    code = "item_not_found"


class DamageError(PfaError):
    """Something that we wrote does not read back."""


class PackDamaged(DamageError):
    code = "pack_damaged"


class CheckpointDamaged(DamageError):
    code = "checkpoint_damaged"


class ModelDamaged(DamageError):
    code = "model_damaged"


class IndexDamaged(DamageError):
    code = "index_damaged"


class CheckpointMismatch(PfaError):
    code = "checkpoint_mismatch"


class TrainingDiverged(PfaError):
    code = "training_diverged"


class RankLost(PfaError):
    code = "rank_lost"


class OutOfMemory(PfaError):
    code = "out_of_memory"
