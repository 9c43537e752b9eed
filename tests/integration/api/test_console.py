"""The console over HTTP: who gets in, what every answer forbids the browser, and that nothing sent becomes markup."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from api.console.routers import datasets, flow, home, jobs, models, play, sign_in, videos
from tests.integration.api import media
from tests.integration.api.service import LONG_S, Service, running
from tests.integration.api.test_retrieve import fill

HOSTILE = "<script>alert(1)<!--"
"""Without a slash, so that it may be the name of a file."""
ROUTES = [
    (method, route.path)
    for module in (home, sign_in, videos, datasets, jobs, models, play, flow)
    for route in module.router.routes
    if isinstance(route, APIRoute) and route.path != "/console/sign-in"
    for method in sorted(route.methods or ())
]
SIGN_IN = "/console/sign-in"


def filled(path: str) -> str:
    return re.sub(r"\{kind\}", "flow", re.sub(r"\{(version|index)\}", "1", path)).replace("{", "").replace("}", "")


@contextmanager
def browser(service: Service, secret: str | None = "") -> Iterator[httpx.Client]:
    """A browser that is signed in with the admin key, with another one, or (None) not at all."""
    with httpx.Client(base_url=service.url, headers={"Origin": service.url}, timeout=LONG_S) as http:
        if secret is not None:
            answer = http.post(SIGN_IN, data={"key": secret or service.key})
            assert answer.status_code == HTTPStatus.SEE_OTHER, answer.text
        yield http


def token_of(http: httpx.Client) -> str:
    found = re.search(r'name="pfa-csrf" content="([0-9a-f]{64})"', http.get("/").text)
    assert found is not None
    return found[1]


@pytest.fixture
def http(service: Service) -> Iterator[httpx.Client]:
    with browser(service) as http:
        yield http


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_every_page_but_the_sign_in_asks_who_is_there(service: Service, method: str, path: str) -> None:
    with browser(service, None) as stranger:
        answer = stranger.request(method, filled(path))
        assert answer.status_code == HTTPStatus.SEE_OTHER
        assert answer.headers["location"].startswith(f"{SIGN_IN}?next=")
        assert answer.headers["cache-control"] == "no-store"


def test_the_sign_in_and_its_files_are_public(service: Service) -> None:
    with browser(service, None) as stranger:
        page = stranger.get(SIGN_IN)
        assert page.status_code == HTTPStatus.OK
        for file in re.findall(r'(?:href|src)="(/console/static/[^"]+)"', page.text):
            assert stranger.get(file).status_code == HTTPStatus.OK


@pytest.mark.parametrize("guess", ["", "pfa_guess", "' or 1=1 --", "\u00e9", HOSTILE])
def test_no_guess_signs_in(service: Service, guess: str) -> None:
    with browser(service, None) as stranger:
        answer = stranger.post(SIGN_IN, data={"key": guess})
        assert answer.status_code == HTTPStatus.UNAUTHORIZED
        assert "set-cookie" not in answer.headers
        assert HOSTILE not in answer.text


def test_the_cookie_is_for_this_site_s_requests_and_for_no_script(service: Service) -> None:
    with browser(service, None) as stranger:
        cookie = stranger.post(SIGN_IN, data={"key": service.key}).headers["set-cookie"]
    assert {"HttpOnly", "SameSite=strict", "Path=/"} <= set(cookie.split("; "))
    assert service.key not in cookie


def test_signing_out_holds_for_whoever_kept_the_cookie(service: Service, http: httpx.Client) -> None:
    kept = dict(http.cookies)
    assert http.post("/console/sign-out", data={"csrf": token_of(http)}).headers["location"] == SIGN_IN
    with httpx.Client(base_url=service.url, cookies=kept) as again:
        assert again.get("/").headers["location"].startswith(SIGN_IN)


def test_a_revoked_key_s_sessions_end(service: Service) -> None:
    key, secret = service.store.keys.create("leaver", ["read"])
    with browser(service, secret) as http:
        assert http.get("/").status_code == HTTPStatus.OK
        service.store.keys.revoke(key.id)
        assert http.get("/").headers["location"].startswith(SIGN_IN)


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/console/jobs", "/console/jobs"),
        ("https://evil.example", "/"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/console/\\evil", "/"),
        ("/console/a\r\nSet-Cookie: x=y", "/"),
        ("/console/sign-in", "/"),
    ],
)
def test_the_sign_in_leads_on_to_pages_of_ours_only(service: Service, wanted: str, reached: str) -> None:
    with browser(service, None) as stranger:
        answer = stranger.post(SIGN_IN, data={"key": service.key, "next": wanted})
        assert answer.headers["location"] == reached
        assert stranger.get(SIGN_IN, params={"next": wanted}).headers["location"] == reached


POSTS = [path for method, path in ROUTES if method == "POST"]


@pytest.mark.parametrize("path", POSTS)
def test_no_form_is_taken_from_another_site_or_without_its_token(
    service: Service, http: httpx.Client, path: str
) -> None:
    token = token_of(http)
    other = httpx.Headers({"Origin": "https://evil.example"})
    with browser(service) as second:
        others_token = token_of(second)
    for headers, data in (
        (other, {"csrf": token}),
        ({"Origin": "null"}, {"csrf": token}),
        ({}, {"name": "x"}),
        ({}, {"csrf": others_token}),
        ({}, {"csrf": ""}),
    ):
        answer = http.post(filled(path), data=data, headers=headers)
        assert answer.status_code == HTTPStatus.FORBIDDEN, (headers, data)
    bare = httpx.post(f"{service.url}{filled(path)}", data={"csrf": token}, cookies=dict(http.cookies))
    assert bare.status_code == HTTPStatus.FORBIDDEN  # no Origin at all
    assert http.get("/").status_code == HTTPStatus.OK  # still signed in, so nothing of it was done


def test_the_sign_in_form_is_not_taken_from_another_site(service: Service) -> None:
    for headers in ({"Origin": "https://evil.example"}, {}):
        answer = httpx.post(f"{service.url}{SIGN_IN}", data={"key": service.key}, headers=headers)
        assert answer.status_code == HTTPStatus.FORBIDDEN
        assert "set-cookie" not in answer.headers


def test_the_api_takes_the_cookie_with_the_token_only(service: Service, http: httpx.Client) -> None:
    token = token_of(http)
    assert http.get("/videos").status_code == HTTPStatus.UNAUTHORIZED
    assert http.get("/videos", headers={"X-PFA-CSRF": token}).status_code == HTTPStatus.OK
    for headers in (
        {"X-PFA-CSRF": ""},
        {"X-PFA-CSRF": "0" * 64},
        {"X-PFA-CSRF": token, "Origin": "https://evil.example"},
        {"X-PFA-CSRF": token, "Authorization": "Bearer pfa_guess"},
    ):
        assert http.get("/videos", headers=headers).status_code == HTTPStatus.UNAUTHORIZED
    alone = httpx.get(f"{service.url}/videos", headers={"X-PFA-CSRF": token})
    assert alone.status_code == HTTPStatus.UNAUTHORIZED


def test_a_session_may_what_its_key_may(service: Service) -> None:
    _, secret = service.store.keys.create("reader", ["read"])
    with browser(service, secret) as http:
        token = token_of(http)
        assert http.get("/console/jobs").status_code == HTTPStatus.OK
        assert http.get("/console/jobs/new/flow").status_code == HTTPStatus.FORBIDDEN
        assert http.post("/console/jobs/new/flow", data={"csrf": token}).status_code == HTTPStatus.FORBIDDEN
        assert http.get("/console/play").status_code == HTTPStatus.FORBIDDEN
        sent = http.post("/collections", json={"name": "x", "model": "y"}, headers={"X-PFA-CSRF": token})
        assert sent.status_code == HTTPStatus.FORBIDDEN
        assert "Sign out" in http.get("/console/play").text  # the page that says no is a page of the console


@pytest.mark.parametrize("path", ["/", SIGN_IN, "/console/jobs", "/console/jobs/none", "/console/static/wire.js"])
def test_every_answer_of_the_console_binds_the_browser(http: httpx.Client, path: str) -> None:
    headers = http.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_answers_of_the_api_are_not_sniffed_either(service: Service) -> None:
    with service.http() as http:
        headers = http.get("/videos").headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in headers


def test_what_was_sent_is_shown_as_text(
    service: Service, http: httpx.Client, name: str, tmp_path: Path, clips: dict[str, Path]
) -> None:
    token = {"X-PFA-CSRF": token_of(http)}
    clip = media.clip(tmp_path / "clip.mp4", seed=77)
    form = {"files": (f"{HOSTILE}.mp4", clip.read_bytes())}
    video = http.post("/videos", files=form, headers=token).json()["videos"][0]["id"]
    body = {"name": name, "videos": [{"video": video, "label": HOSTILE, "group": HOSTILE}]}
    dataset = http.post("/datasets", json=body, headers=token).json()["id"]
    model = service.publish(f"{name}-poser", "pose", seed=5)
    (service.store.models.folder(model) / "README.md").write_text(f"# {HOSTILE}\n\n[a](javascript:alert(1))\n")
    job = http.post("/jobs/flow", json={"videos": [video]}, headers=token).json()["id"]
    service.store.jobs.request_cancel(job)
    log = service.store.files.job_log(job)
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(HOSTILE)
    escaped = "&lt;script&gt;"
    for path, shown in (
        ("/console/videos", escaped),
        ("/console/datasets/new", escaped),
        (f"/console/datasets/{dataset}", escaped),
        (f"/console/models/{model.name}/1", escaped),
        (f"/console/jobs/{job}", escaped),
        (f"/console/jobs/new/flow?seed={HOSTILE}", escaped),
        (f"/console/jobs/{HOSTILE}", escaped),
    ):
        text = http.get(path).text
        assert shown in text, path
        assert "<script>" not in text, path
        assert 'href="javascript:' not in text, path
    form_again = http.post(
        "/console/datasets/new",
        data={"csrf": token["X-PFA-CSRF"], "name": HOSTILE, "video": video, f"label-{video}": '"><script>'},
    )
    assert form_again.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "<script>" not in form_again.text
    assert "&#34;&gt;&lt;script&gt;" in form_again.text


def test_a_thumbnail_is_made_once_and_goes_with_its_video(service: Service, http: httpx.Client, tmp_path: Path) -> None:
    with service.client() as client:
        video = client.upload_videos([media.clip(tmp_path / "clip.mp4", seed=78)]).videos[0].id
    answer = http.get(f"/console/videos/{video}/thumbnail.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8\xff")
    kept = service.store.files.thumbnail(service.store.videos.get(video).sha256)
    assert kept.read_bytes() == answer.content == http.get(f"/console/videos/{video}/thumbnail.jpg").content
    assert http.post(f"/console/videos/{video}/delete", data={"csrf": token_of(http)}).status_code == 303
    assert not kept.exists()
    assert http.get(f"/console/videos/{video}/thumbnail.jpg").status_code == HTTPStatus.NOT_FOUND


def test_forms_make_what_they_say(
    service: Service, http: httpx.Client, name: str, upload: Callable[..., list[str]]
) -> None:
    token = token_of(http)
    one, two = upload("one", "two")
    data = {"csrf": token, "name": name, "video": [one, two], f"label-{one}": "walk", f"split-{two}": "test"}
    path = http.post("/console/datasets/new", data=data).headers["location"]
    items = service.store.datasets.items(path.rpartition("/")[2])
    assert [(item.video_id, item.label, item.group, item.split) for item in items] == [
        (one, "walk", None, None), (two, None, None, "test"),
    ]  # fmt: skip
    job = {"csrf": token, "dataset": name, "preset": "small", "seed": "7", "priority": "-3", "config": ""}
    path = http.post("/console/jobs/new/flow", data=job).headers["location"]
    made = service.store.jobs.get(path.rpartition("/")[2])
    assert (made.kind, made.spec["dataset"], made.spec["seed"], made.priority) == ("flow", name, 7, -3)
    assert http.post(f"{path}/cancel", data={"csrf": token}).headers["location"] == path
    assert service.store.jobs.get(made.id).status == "cancelled"
    assert http.post(f"{path}/pause", data={"csrf": token}).status_code == HTTPStatus.CONFLICT
    assert http.post(f"/console{path.removeprefix('/console')}/retry", data={"csrf": token}).status_code == 303
    assert service.store.jobs.get(made.id).status == "queued"
    service.store.jobs.request_cancel(made.id)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"config": "{"}, "config is not JSON"),
        ({"config": "[]"}, "config must be a JSON object"),
        ({"config": '{"nope": 1}'}, "there is no such key"),
        ({"seed": "many"}, "form.seed"),
        ({"dataset": "no-such"}, "no data set"),
        ({"surprise": "x"}, "form.surprise"),
    ],
)
def test_a_form_says_what_is_wrong_and_keeps_what_was_typed(
    http: httpx.Client, changes: dict[str, str], told: str
) -> None:
    data = {"csrf": token_of(http), "dataset": "any", "preset": "paper", "seed": "3", "priority": "4", **changes}
    answer = http.post("/console/jobs/new/flow", data=data)
    assert answer.status_code in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_FOUND)
    alert = re.search(r'<p class="alert" role="alert">(.*?)</p>', answer.text, re.DOTALL)
    assert alert is not None
    assert told in alert[1]
    assert 'value="4"' in answer.text
    assert '<option value="paper" selected>' in answer.text


def test_a_version_is_promoted(service: Service, http: httpx.Client, name: str) -> None:
    service.publish(name, "pose")
    answer = http.post(f"/console/models/{name}/1/promote", data={"csrf": token_of(http)})
    assert answer.headers["location"] == f"/console/models/{name}/1"
    assert service.store.models.resolve(f"{name}@production").version == 1
    assert http.get(f"/console/models/{name}/1/filters.png").content.startswith(b"\x89PNG")


def test_a_version_shows_pairs_once_a_collection_has_its_features(
    service: Service, http: httpx.Client, name: str
) -> None:
    service.publish(name, "triplet")
    pairs = f"/console/models/{name}/1/pairs.png"
    assert pairs not in http.get(f"/console/models/{name}/1").text
    fill(service, name, f"{name}@1", 4)
    assert pairs in http.get(f"/console/models/{name}/1").text
    assert http.get(pairs).content.startswith(b"\x89PNG")


def test_the_stream_of_a_job_needs_no_token(
    http: httpx.Client, service: Service, upload: Callable[..., list[str]]
) -> None:
    job = service.store.jobs.add("flow", {"videos": upload("one"), "preset": "small"})
    service.store.jobs.request_cancel(job.id)
    with http.stream("GET", f"/console/jobs/{job.id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        kinds = re.findall(r"event: (\w+)", "\n".join(answer.iter_lines()))
    assert kinds == ["queued", "cancelled", "done"]


def test_without_keys_nobody_signs_in_and_other_sites_stay_out(tmp_path: Path) -> None:
    with running(tmp_path, PFA_AUTH="off") as service, browser(service, None) as http:
        assert http.get("/").status_code == HTTPStatus.OK
        assert "Sign out" not in http.get("/").text
        assert http.get(SIGN_IN).headers["location"] == "/"
        assert http.get("/", headers={"Host": "evil.example"}).status_code == HTTPStatus.FORBIDDEN
        data = {"csrf": token_of(http), "dataset": "none", "preset": "small"}
        assert http.post("/console/jobs/new/flow", data=data).status_code == HTTPStatus.NOT_FOUND
        other = {"Origin": "https://evil.example"}
        assert http.post("/console/jobs/new/flow", data=data, headers=other).status_code == HTTPStatus.FORBIDDEN
        assert http.post("/console/jobs/new/flow", data={**data, "csrf": ""}).status_code == HTTPStatus.FORBIDDEN
