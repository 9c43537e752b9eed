"""The reference of error codes: the leaves of the PfaError tree, their statuses, and what they mean."""

import re

from api import errors as web
from api.problems import STATUS_OF
from docs.generate.markdown import code, table
from pfa_core import errors as core
from pfa_core.errors import PfaError
from pfa_store import errors as store
from pfa_store.attempts import WORKER_LOST

_LINE = re.compile(r"^ +(\w+)(?: \([^)]*\))? {2,}(\S.*)$", re.MULTILINE)

_HEAD = """# Error codes

Every answer that is not a success is a problem document (RFC 9457, `application/problem+json`): `type`, `title`,
`status`, `code`, `detail` and `instance`, and further members with the facts. `code` is for programs and stays;
`detail` says to people what to do. A job that failed has the same codes in `error.code`.

This page is made from the errors of the code. [Troubleshooting](../troubleshooting.md) goes from symptoms to remedies.
"""

_OTHERS = """## Codes that are no error of their own

{others}

An item that a job left out (`left_out` of its result) has a code of the table above, or one of these: `duplicate`
(another file has the same bytes) and `held_out` (its split is not learned from).
"""

_UNIQUE = (
    (code("internal"), "500", "A fault of the service, or of a job; the log tells more"),
    (code(WORKER_LOST), "", "Only of jobs: its worker died, or stood still, as often as `PFA_MAX_ATTEMPTS` allows"),
    (code("not_found"), "404", "No such path"),
    (code("method_not_allowed"), "405", "The path does not take that method; the header `Allow` says which it takes"),
)


def error_page() -> str:
    """Every code with its status and meaning."""
    rows = sorted((kind.code, kind) for kind in STATUS_OF)
    listed = table(
        ("code", "status", "meaning"),
        [(code(name), f"{STATUS_OF[kind].value} {STATUS_OF[kind].phrase}", meaning_of(kind)) for name, kind in rows],
    )
    return f"{_HEAD}\n{listed}\n\n{_OTHERS.format(others=table(('code', 'status', 'meaning'), _UNIQUE))}"


def meaning_of(kind: type[PfaError]) -> str:
    """What the tree at the top of its module says of an error, or else of the group that it is in."""
    known = {name: text for module in (core, store, web) for name, text in _LINE.findall(module.__doc__ or "")}
    for base in kind.__mro__:
        if base.__name__ in known:
            return str(known[base.__name__]).removesuffix(" (a NotFound)").removesuffix(" (a Conflict)")
    raise LookupError(f"the tree does not say what {kind.__name__} means")
