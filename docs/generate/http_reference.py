"""The HTTP reference, a page a tag, from the OpenAPI document of the application."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from docs.generate.markdown import block, code, table
from docs.generate.schemas import fields_table, schemas_page, type_of

Json = Mapping[str, Any]

_PLACEHOLDERS = {"version": "1", "item_id": "17", "event_id": "0"}
"""Path parameters that are numbers; the others are shown as capitals in place of a name."""


def openapi_document() -> dict[str, Any]:
    """The document as the service answers it; a data folder is made for it and goes again."""
    from api.app import create_app
    from pfa_store.settings import Settings
    from pfa_store.store import Store

    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        store = Store.open(settings)
        try:
            return create_app(settings, store).openapi()
        finally:
            store.close()


def http_pages(document: Json) -> dict[str, str]:
    """File name -> Markdown: `index.md`, one page a tag, and `schemas.md`."""
    by_tag: dict[str, list[tuple[str, str, Json]]] = defaultdict(list)
    for method, path, operation in operations(document):
        by_tag[operation["tags"][0]].append((method, path, operation))
    pages = {page_of(tag): _tag_page(tag, found, document) for tag, found in by_tag.items()}
    return {"index.md": _index(by_tag), **pages, "schemas.md": schemas_page(document["components"]["schemas"])}


def operations(document: Json) -> Iterator[tuple[str, str, Json]]:
    """(method, path, operation) of every call that the service answers, in its order."""
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def page_of(tag: str) -> str:
    """The file name of a tag's page."""
    return f"{tag.replace(' ', '-')}.md"


def scope_of(operation: Json) -> str:
    """The scope that a call needs; nothing for those without a key."""
    return next((scope for way in operation.get("security", ()) for scopes in way.values() for scope in scopes), "")


def curl_of(method: str, path: str, operation: Json, document: Json) -> str:
    """A call on the command line, with URL and AUTH set as in the quickstart."""
    flags = ['-H "$AUTH"'] if scope_of(operation) else []
    flags += {"GET": [], "POST": [] if "requestBody" in operation else ["-X POST"], "HEAD": ["-I"]}.get(
        method, [f"-X {method}"]
    )
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "header" and parameter.get("required"):
            flags.append(f'-H "{parameter["name"]}: {_header_value(parameter)}"')
    flags += _body_flags(operation, document)
    query = [
        f"{one['name']}=..." for one in operation.get("parameters", ()) if one["in"] == "query" and one["required"]
    ]
    address = f"$URL{_filled(path)}{'?' + '&'.join(query) if query else ''}"
    return " ".join(["curl", *flags, f'"{address}"' if query else address])


def _index(by_tag: Mapping[str, list[tuple[str, str, Json]]]) -> str:
    parts = [
        "# HTTP reference",
        "Every call, made from the OpenAPI document that a service answers at `/openapi.json`; `/docs` of a service "
        "has the same to try. Answers that are no success are problem documents; their codes are in "
        "[Error codes](../errors.md). The examples use `URL` and `AUTH` as in the [quickstart](../../quickstart.md).",
    ]
    for tag, found in by_tag.items():
        rows = [
            (
                f"[`{method} {path}`]({page_of(tag)}#{operation['operationId']})",
                code(scope_of(operation)),
                _brief(operation),
            )
            for method, path, operation in found
        ]
        parts += [f"## {tag.capitalize()}", table(("call", "scope", "does"), rows)]
    return "\n\n".join(parts) + "\n"


def _tag_page(tag: str, found: list[tuple[str, str, Json]], document: Json) -> str:
    parts = [f"# {tag.capitalize()}"]
    for method, path, operation in found:
        parts += _operation(method, path, operation, document)
    return "\n\n".join(part for part in parts if part) + "\n"


def _operation(method: str, path: str, operation: Json, document: Json) -> Iterator[str]:
    yield f"## {method} {path} {{ #{operation['operationId']} }}"
    yield operation.get("description") or operation.get("summary", "")
    scope = scope_of(operation)
    yield f"Scope: `{scope}`." if scope else "Needs no key."
    if operation.get("parameters"):
        rows = [
            (code(one["name"]), one["in"], type_of(one.get("schema", {})), "required" if one["required"] else "",
             one.get("description", ""))
            for one in operation["parameters"]
        ]  # fmt: skip
        yield table(("parameter", "in", "type", "", "meaning"), rows)
    yield from _body(operation)
    yield from _answers(operation)
    yield block(curl_of(method, path, operation, document), "sh")


def _body(operation: Json) -> Iterator[str]:
    contents: Json = operation.get("requestBody", {}).get("content", {})
    files = [code(kind) for kind, one in contents.items() if one.get("schema", {}).get("format") == "binary"]
    for kind, content in contents.items():
        schema = content.get("schema", {})
        if "$ref" in schema:
            yield f"Body `{kind}`: {type_of(schema)}"
        elif schema.get("properties"):
            yield f"Body `{kind}`:"
            yield fields_table(schema)
    if files:
        yield f"Body as the file itself: {', '.join(files)}."


def _answers(operation: Json) -> Iterator[str]:
    rows, refused = [], []
    for status, answer in sorted(operation["responses"].items()):
        if "application/problem+json" in answer.get("content", {}):
            refused.append(f"{status} ({answer['description']})")
            continue
        kinds = [
            f"{code(kind)} {type_of(content['schema'])}" if content.get("schema") else code(kind)
            for kind, content in answer.get("content", {}).items()
        ]
        rows.append((status, answer["description"], "; ".join(kinds), ", ".join(map(code, answer.get("headers", {})))))
    yield table(("answer", "meaning", "content", "headers"), rows)
    if refused:
        yield f"[Refusals](../errors.md): {'; '.join(refused)}."


def _brief(operation: Json) -> str:
    return str(operation.get("description") or operation.get("summary", "")).partition("\n\n")[0]


def _filled(path: str) -> str:
    for part in path.split("/"):
        name = part.strip("{}")
        if part.startswith("{"):
            path = path.replace(part, _PLACEHOLDERS.get(name, name.removesuffix("_id").upper()))
    return path


def _header_value(parameter: Json) -> str:
    pattern = str(parameter.get("schema", {}).get("pattern", ""))
    plain = pattern.strip("^$").replace("\\", "")
    return plain if plain and not set(plain) & set("[]()*+?{}|") else "..."


def _body_flags(operation: Json, document: Json) -> list[str]:
    contents: Json = operation.get("requestBody", {}).get("content", {})
    if "application/json" in contents:
        content = contents["application/json"]
        body = content.get("example", _example(content["schema"], document))
        return ['-H "Content-Type: application/json"', f"-d '{json.dumps(body)}'"]
    form = contents.get("multipart/form-data", {}).get("schema", {})
    if form:
        return [f"-F {name}={_sent(form['properties'][name])}" for name in form.get("required") or ["file"]]
    return [f'-H "Content-Type: {next(iter(contents))}"', "--data-binary @FILE"] if contents else []


def _sent(field: Json) -> str:
    one = field.get("items", field)
    return "@FILE" if one.get("format") == "binary" else "..."


def _example(schema: Json, document: Json) -> Any:  # noqa: ANN401  # any JSON
    """The example of a schema, or its required fields with their types in place of values."""
    if "$ref" in schema:
        return _example(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], document)
    for key in ("example", "default"):
        if key in schema:
            return schema[key]
    if schema.get("examples"):
        return schema["examples"][0]
    if schema.get("type") == "object":
        return {name: _example(schema["properties"][name], document) for name in schema.get("required", ())}
    if schema.get("type") == "array":
        return []
    return {"integer": 1, "number": 1.0, "boolean": True}.get(schema.get("type", ""), schema.get("enum", ["..."])[0])
