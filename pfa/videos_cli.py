"""`pfa videos`: the videos of a service."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from pfa.console import FAILED, announce, fail, id_column, out
from pfa.files_below import VIDEO_SUFFIXES, below
from pfa.remote import HERE, AsJson, Key, Limit, Sure, Url, agreed, print_json, talking, told_bytes
from pfa_client import Client, ProblemError, Video

videos_app = typer.Typer(no_args_is_help=True, help="Videos of a service.")


@videos_app.command("list")
def list_videos(*, limit: Limit = 50, as_json: AsJson = False, url: Url = HERE, key: Key = None) -> None:
    """List videos, newest first."""
    with talking(url, key) as client:
        found = [each for each, _ in zip(client.videos(), range(limit), strict=False)]
    if as_json:
        print_json(found)
        return
    table = Table(id_column(), "file", "size", "frames", "seconds", "MiB", "created")
    for each in found:
        size, mib = f"{each.width_px}x{each.height_px}", f"{each.num_bytes / 2**20:.1f}"
        seconds = f"{each.duration_s:.1f}"
        table.add_row(each.id, each.filename, size, str(each.num_frames), seconds, mib, each.created[:19])
    out.print(table)


@videos_app.command("upload")
def upload_videos(
    files: Annotated[list[Path], typer.Argument(help="Videos, or folders of them", exists=True)],
    *,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Upload videos, each in pieces that go on after a cut. Exit status 1 if one could not be used."""
    paths = below(files, suffixes=VIDEO_SUFFIXES)
    if not paths:
        fail(f"There are no videos ({', '.join(VIDEO_SUFFIXES)}) in {', '.join(map(str, files))}.")
    videos: list[Video] = []
    refused: list[dict[str, str]] = []
    with talking(url, key) as client:
        for path in paths:
            _upload(client, path, videos, refused)
    if as_json:
        print_json({"videos": [asdict(video) for video in videos], "refused": refused})
    else:
        for video in videos:
            print(f"{video.id}  {video.filename}")
    if refused:
        raise typer.Exit(FAILED)


def _upload(client: Client, path: Path, videos: list[Video], refused: list[dict[str, str]]) -> None:
    """One video; a file that is none does not end the others."""
    try:
        videos.append(client.upload(path, on_progress=told_bytes(path.name)))
    except ProblemError as error:
        if error.status not in (413, 415, 422):
            raise
        refused.append({"file": str(path), "code": error.code, "message": error.detail})
        announce(f"refused: {path}: {error.detail}")


@videos_app.command("delete")
def delete_videos(
    ids: Annotated[list[str], typer.Argument(help="Ids of videos")],
    *,
    sure: Sure = False,
    as_json: AsJson = False,
    url: Url = HERE,
    key: Key = None,
) -> None:
    """Delete videos that no data set names."""
    agreed(f"Delete {len(ids)} videos for good?", sure=sure)
    with talking(url, key) as client:
        for video_id in ids:
            client.delete_video(video_id)
            announce(f"{video_id} is deleted")
    if as_json:
        print_json({"deleted": ids})
