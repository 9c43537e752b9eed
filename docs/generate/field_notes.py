"""What stands under the fields of a dataclass: the strings that describe them, which Python itself forgets."""

import ast
import inspect
import textwrap


def field_notes(kind: type) -> dict[str, str]:
    """Field -> the string below it, in one line; the fields without one are not there."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0]
    assert isinstance(body, ast.ClassDef)
    notes = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if not (isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)):
            continue
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            notes[field.target.id] = " ".join(below.value.value.split())
    return notes
