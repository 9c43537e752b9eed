"""The object store, where one is set: whether it lets us write, read and delete."""

import uuid
from collections.abc import Iterator

from pfa.doctor.finding import Finding, broken, ok
from pfa_core.errors import PfaError
from pfa_store.objects import ObjectMissing, Objects
from pfa_store.settings import Settings

_REMEDY = (
    "Look at PFA_OBJECTS_URL, PFA_OBJECTS_ENDPOINT and the credentials; the key must list, read, write and delete."
)


def object_store(settings: Settings) -> Iterator[Finding]:
    """Stores a small object, reads it back and deletes it."""
    if not settings.objects_url:
        return
    objects = Objects(settings)
    key = f"doctor/{uuid.uuid4().hex}"
    try:
        objects.ping()
        objects.put(key, b"pfa")
        same = objects.get(key) == b"pfa"
        objects.delete([key])
    except ObjectMissing:
        same = False
    except PfaError as error:
        yield broken("object store", str(error), remedy=_REMEDY)
        return
    finally:
        objects.close()
    if same:
        yield ok("object store", f"{settings.objects_url} takes, gives back and deletes")
    else:
        yield broken("object store", "what was stored did not come back at once", remedy="Use a consistent store.")
