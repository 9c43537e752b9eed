"""From what was typed into a form to a job's spec."""

import contextlib
from collections.abc import Mapping
from typing import Any

from api.body import json_value, validated
from api.console.visitor import Form
from api.errors import RequestInvalid
from pfa_store.specs import SPEC_OF, JobKind, Spec

LISTS = ("videos", "pose", "action", "static", "frames_of", "config.initialisations")
"""Fields of which any number of values may be chosen."""
INNER = ("config", "init")
"""Members that are objects: `config.x` is a field of theirs."""


def spec_of(kind: JobKind, form: Form) -> Spec:
    """What was typed, as the spec that the API would have read.

    Raises:
        RequestInvalid: a value cannot be used; the message names it.
    """
    sent: dict[str, Any] = {}
    for name, typed in form.fields.items():
        values = [value.strip() for value in typed if value.strip()]
        if not values or name in ("csrf", "config"):
            continue
        outer, dot, inner = name.partition(".")
        if dot and outer in INNER:
            plain = values[0] if outer == "init" else _plain(values[0])
            sent.setdefault(outer, {})[inner] = values if name in LISTS else plain
        else:
            sent[name] = values if name in LISTS else values[0]
    if form.one("config"):
        sent["config"] = {**sent.get("config", {}), **_object(form.one("config"))}
    return validated(sent, SPEC_OF[kind], where="form")


def _object(text: str) -> Mapping[str, Any]:
    found = json_value(text, where="config")
    if not isinstance(found, Mapping):
        raise RequestInvalid("config must be a JSON object.", field="config")
    return found


def _plain(text: str) -> object:
    """A number or a truth value; what is neither is text."""
    with contextlib.suppress(RequestInvalid):
        return json_value(text, where="form")
    return text
