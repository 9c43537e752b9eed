"""Find the poses in a folder of images, many at once: a line of JSON an image.

    python batch_folder.py --model joints photos/ > poses.jsonl

The service batches what arrives together, so a few requests under way at once are answered faster than one by one.
The service and the key: PFA_URL and PFA_KEY.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pfa_client import AsyncClient, ProblemError

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


async def pose_of(pfa: AsyncClient, image: Path, *, model: str, turns: asyncio.Semaphore) -> int:
    """Print the pose of one image; 1 where the service refuses it."""
    async with turns:
        try:
            pose = await pfa.predict_pose(image, model=model)
        except ProblemError as error:
            print(f"{image}: {error.detail}", file=sys.stderr)
            return 1
    print(json.dumps({"image": str(image), "keypoints": [asdict(each) for each in pose.keypoints]}), flush=True)
    return 0


async def poses(images: Sequence[Path], *, model: str, at_once: int) -> int:
    """Print all of them; how many were refused."""
    turns = asyncio.Semaphore(at_once)
    async with AsyncClient(os.environ.get("PFA_URL", "http://127.0.0.1:8000"), os.environ.get("PFA_KEY")) as pfa:
        return sum(await asyncio.gather(*(pose_of(pfa, image, model=model, turns=turns) for image in images)))


def main() -> None:
    """Exit status 1 if an image was refused."""
    parser = argparse.ArgumentParser(description="Find the poses in a folder of images.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", required=True, help="a pose model: name, name@version or name@alias")
    parser.add_argument("--at-once", type=int, default=8, help="requests under way")
    wanted = parser.parse_args()
    images = sorted(path for path in wanted.folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    sys.exit(min(1, asyncio.run(poses(images, model=wanted.model, at_once=wanted.at_once))))


if __name__ == "__main__":
    main()
