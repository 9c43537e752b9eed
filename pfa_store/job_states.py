"""The states of a job, in one place.

    queued --claim--> running --succeed--> succeeded
      |  ^               |  |
      |  +--hand_back----+  +--fail--> failed
      |                  +--request_cancel--> cancelling --finish_cancel--> cancelled
      +--request_cancel--> cancelled

A job that is `cancelling` may still succeed or fail if its runner was faster than the request.
"""

from typing import Literal, get_args

JobStatus = Literal["queued", "running", "cancelling", "succeeded", "failed", "cancelled"]

STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
HELD: frozenset[JobStatus] = frozenset({"running", "cancelling"})
"""An attempt is under way and holds the lease."""
DONE: frozenset[JobStatus] = frozenset({"succeeded", "failed", "cancelled"})
"""Nothing more will happen."""
