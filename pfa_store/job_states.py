"""The states of a job, in one place.

    queued --claim--> running --succeed--> succeeded
    | ^ ^               | | |
    | | +--hand_back----+ | +--fail--> failed --request_retry--> queued
    | |                   |
    | |                   +--request_cancel--> cancelling --finish_cancel--> cancelled --request_retry--> queued
    | |                   |
    | |                   +--request_pause---> pausing --finish_pause--> paused
    | +--request_resume (from paused)          pausing --request_cancel--> cancelling
    |
    +--request_pause--> paused
    +--request_cancel (from queued or paused)--> cancelled

A job that is `cancelling` or `pausing` may still succeed or fail if its runner was faster than the request. When its
worker dies meanwhile, it is `cancelled` or `paused`.
"""

from typing import Literal, get_args

JobStatus = Literal[
    "queued", "running", "pausing", "paused", "cancelling", "succeeded", "failed", "cancelled"
]  # fmt: skip

STATUSES: tuple[JobStatus, ...] = get_args(JobStatus)
WAITING: frozenset[JobStatus] = frozenset({"queued", "paused"})
"""No attempt is under way; another may come."""
HELD: frozenset[JobStatus] = frozenset({"running", "pausing", "cancelling"})
"""An attempt is under way and holds the lease."""
STOPPING: frozenset[JobStatus] = frozenset({"pausing", "cancelling"})
"""The attempt that is under way was asked to end."""
DONE: frozenset[JobStatus] = frozenset({"succeeded", "failed", "cancelled"})
"""Nothing more will happen, unless somebody asks for a retry."""
