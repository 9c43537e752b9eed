"""Leaves that the store adds to the tree of `pfa_core.errors`.

PfaError
  NotFound          an id or name that does not exist
    VideoNotFound, DatasetNotFound, JobNotFound, ModelNotFound, CollectionNotFound, KeyNotFound,
    UploadNotFound, WebhookNotFound
  Conflict          it exists, but its state does not allow this
    JobStateConflict, NameTaken, InUse, WebhooksOff
  IdempotencyConflict  an Idempotency-Key that was used for another request
  StoreUnavailable  database or files do not answer just now
  UploadGone        a resumable upload that expired or cannot be used
  UploadLocked      another request writes to the upload just now
  QuotaExceeded     the key would keep more bytes than it may
  WebhookRefused    an address that nothing is sent to
  ObjectDamaged     what the object store gives back is not what was stored
  DiskFull          too little space is left to accept more
  Removed           it was there, and was removed after its time
  StoreTooNew       the database was brought up to date by a newer version
  LostLease         this attempt of a job is no longer the one that may write
"""

from pfa_core.errors import PfaError


class NotFound(PfaError):
    """An id or name that does not exist."""


class VideoNotFound(NotFound):
    code = "video_not_found"


class DatasetNotFound(NotFound):
    code = "dataset_not_found"


class JobNotFound(NotFound):
    code = "job_not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class CollectionNotFound(NotFound):
    code = "collection_not_found"


class KeyNotFound(NotFound):
    code = "key_not_found"


class WebhookNotFound(NotFound):
    code = "webhook_not_found"


class UploadNotFound(NotFound):
    code = "upload_not_found"


class UploadGone(PfaError):
    code = "upload_gone"


class UploadLocked(PfaError):
    code = "upload_locked"


class QuotaExceeded(PfaError):
    code = "quota_exceeded"


class Conflict(PfaError):
    """It exists, but its state does not allow this."""


class JobStateConflict(Conflict):
    code = "job_state_conflict"


class NameTaken(Conflict):
    code = "name_taken"


class InUse(Conflict):
    code = "in_use"


class WebhooksOff(Conflict):
    code = "webhooks_off"


class WebhookRefused(PfaError):
    code = "webhook_refused"


class IdempotencyConflict(PfaError):
    code = "idempotency_conflict"


class StoreUnavailable(PfaError):
    code = "store_unavailable"


class ObjectDamaged(PfaError):
    code = "object_damaged"


class DiskFull(PfaError):
    code = "disk_full"


class Removed(PfaError):
    code = "removed"


class StoreTooNew(PfaError):
    code = "store_too_new"


class LostLease(PfaError):
    code = "lost_lease"
