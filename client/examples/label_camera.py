"""Label what a camera sees: each frame goes to the service, the likeliest action comes back.

    python label_camera.py --model labels --source 0            # the first camera; Ctrl-C ends it
    python label_camera.py --model labels --source clip.mp4     # a file instead

Needs opencv-python for the camera. The service and the key: PFA_URL and PFA_KEY.
"""

import argparse
import os
from collections.abc import Iterator

import cv2

from pfa_client import Client


def frames(source: str, *, every: int) -> Iterator[tuple[int, bytes]]:
    """Number and JPEG of every so many frames of a camera (a number) or of a file."""
    camera = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    if not camera.isOpened():
        raise SystemExit(f"There is no camera or video {source!r}.")
    try:
        number = 0
        while True:
            there, frame = camera.read()
            if not there:
                return
            if number % every == 0:
                yield number, cv2.imencode(".jpg", frame)[1].tobytes()
            number += 1
    finally:
        camera.release()


def main() -> None:
    """Print a line a frame: its number, the label, its probability."""
    parser = argparse.ArgumentParser(description="Label what a camera sees.")
    parser.add_argument("--model", required=True, help="an action model: name, name@version or name@alias")
    parser.add_argument("--source", default="0", help="a camera's number, or a video file")
    parser.add_argument("--every", type=int, default=10, help="one frame in so many")
    wanted = parser.parse_args()
    with Client(os.environ.get("PFA_URL", "http://127.0.0.1:8000"), os.environ.get("PFA_KEY")) as pfa:
        for number, jpeg in frames(wanted.source, every=wanted.every):
            label, probability = pfa.predict_action(jpeg, model=wanted.model).labels[0]
            print(f"{number}\t{label}\t{probability:.2f}", flush=True)


if __name__ == "__main__":
    main()
