"""The client: one method a call of the service."""

from pfa_client.datasets import DatasetCalls
from pfa_client.jobs import JobCalls
from pfa_client.models import ModelCalls
from pfa_client.predictions import PredictionCalls
from pfa_client.uploads import UploadCalls


class Client(DatasetCalls, JobCalls, ModelCalls, PredictionCalls, UploadCalls):
    """A PFA service at `url`.

    Calls that may be sent twice without harm are sent again after connection errors, 429 and 503.
    Every method raises ProblemError when the service refuses and ServiceUnreachable when it does not answer.
    """
