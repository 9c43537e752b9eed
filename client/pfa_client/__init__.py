"""Client of a PFA service: `Client(url, key)` and the records that it returns."""

from pfa_client.client import Client
from pfa_client.errors import ClientError, ProblemError, ServiceUnreachable
from pfa_client.records import (
    Actions,
    Alias,
    Collection,
    Dataset,
    Features,
    Job,
    JobEvent,
    JobFile,
    Keypoint,
    LeftOut,
    Model,
    ModelVersion,
    Neighbour,
    Pose,
    Progress,
    Uploaded,
    UploadProgress,
    Video,
)

__all__ = [
    "Actions",
    "Alias",
    "Client",
    "ClientError",
    "Collection",
    "Dataset",
    "Features",
    "Job",
    "JobEvent",
    "JobFile",
    "Keypoint",
    "LeftOut",
    "Model",
    "ModelVersion",
    "Neighbour",
    "Pose",
    "ProblemError",
    "Progress",
    "ServiceUnreachable",
    "UploadProgress",
    "Uploaded",
    "Video",
]
