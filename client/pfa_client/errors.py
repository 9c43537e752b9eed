"""What can go wrong while talking to a service.

ClientError
  ProblemError        the service answered with a problem document
  ServiceUnreachable  the service did not answer, after all retries
  DownloadDamaged     what was fetched is not what its checksum says
  NumpyMissing        the call gives arrays, and numpy is not installed
"""

from collections.abc import Mapping
from typing import Any

import httpx


class ClientError(Exception):
    """The root."""


class ProblemError(ClientError):
    """The service refused. `code` is stable, `detail` says what to do, `facts` are the problem's other members."""

    def __init__(self, status: int, code: str, detail: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.facts = dict(facts or {})


class ServiceUnreachable(ClientError):
    """No answer came; the message names the address."""


class DownloadDamaged(ClientError):
    """What was fetched is not what its checksum says."""


class NumpyMissing(ClientError):
    """The call gives arrays, and numpy is not installed."""


_STANDARD = ("type", "title", "status", "code", "detail", "instance")


def problem_of(response: httpx.Response) -> ProblemError:
    """The error that a response of status 400 or more stands for, also where it is not a problem document."""
    try:
        plain = response.json()
    except ValueError:
        plain = None
    if not isinstance(plain, dict):
        return ProblemError(response.status_code, "unknown", response.text[:500] or response.reason_phrase)
    code = str(plain.get("code") or str(plain.get("type", "unknown")).rsplit("/", 1)[-1])
    facts = {name: value for name, value in plain.items() if name not in _STANDARD}
    return ProblemError(response.status_code, code, str(plain.get("detail", response.reason_phrase)), facts)
