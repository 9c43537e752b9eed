"""Leaves that the HTTP interface adds to the tree of `pfa_core.errors`.

PfaError
  Unauthenticated     no key, or one that is not known
  Forbidden           a key without the scope that the call needs
  RequestInvalid      the request does not say what it must; the message names the field
  ArchiveInvalid      a .zip that cannot be unpacked safely
  PayloadTooLarge     a body or a file over its limit
  MediaUnsupported    a Content-Type that the call does not take
  OffsetConflict      a piece of an upload that does not go on where the upload ends (a Conflict)
  ChecksumMismatch    a piece of an upload that was changed on its way
  TusVersionUnsupported  a version of the upload protocol that is not spoken here
  NotAcceptable       an Accept header that the call cannot satisfy
  RateLimited         the key calls more often than it may
  QueueFull           too many predictions wait already
  ModelMemoryFull     a model that does not fit beside those that must stay loaded
  ModelFileNotFound   a model has no such file (a NotFound)
  PairsNotFound       no collection holds features of the model, so that it has no closest pairs (a NotFound)
  JobFileNotFound     a job has no such file (a NotFound)
  CollectionNotReady  a collection that has not been filled yet (a Conflict)
"""

from pfa_core.errors import PfaError
from pfa_store.errors import Conflict, NotFound


class Unauthenticated(PfaError):
    code = "unauthenticated"


class Forbidden(PfaError):
    code = "forbidden"


class RequestInvalid(PfaError):
    code = "request_invalid"


class ArchiveInvalid(PfaError):
    code = "archive_invalid"


class PayloadTooLarge(PfaError):
    code = "payload_too_large"


class MediaUnsupported(PfaError):
    code = "media_unsupported"


class OffsetConflict(Conflict):
    code = "offset_conflict"


class ChecksumMismatch(PfaError):
    code = "checksum_mismatch"


class TusVersionUnsupported(PfaError):
    code = "tus_version_unsupported"


class NotAcceptable(PfaError):
    code = "not_acceptable"


class RateLimited(PfaError):
    code = "rate_limited"


class QueueFull(PfaError):
    code = "queue_full"


class ModelMemoryFull(PfaError):
    code = "model_memory_full"


class ModelFileNotFound(NotFound):
    code = "model_file_not_found"


class PairsNotFound(NotFound):
    code = "pairs_not_found"


class JobFileNotFound(NotFound):
    code = "job_file_not_found"


class CollectionNotReady(Conflict):
    code = "collection_not_ready"
