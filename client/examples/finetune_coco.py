"""Train a pose model on images with COCO keypoints, score it, and let `name@production` mean it.

    python finetune_coco.py --images photos/ --annotations coco.json --name joints --init walker

The service and the key (scopes jobs and admin): PFA_URL and PFA_KEY.
"""

import argparse
import json
import os
from pathlib import Path

from pfa_client import Client, Job

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


def result_of(job: Job) -> dict[str, object]:
    """What a job made; the program ends where it made nothing."""
    if job.status != "succeeded":
        raise SystemExit(f"{job.kind} {job.id} is {job.status}: {(job.error or {}).get('message', '')}")
    return dict(job.result or {})


def main() -> None:
    """Print the model and its scores as JSON; bars go to stderr."""
    parser = argparse.ArgumentParser(description="Train a pose model on COCO keypoints.")
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--annotations", type=Path, required=True, help="COCO keypoints JSON")
    parser.add_argument("--name", required=True, help="of the data set and of the model")
    parser.add_argument("--init", default="random", help="the pretrained model to start from")
    parser.add_argument("--config", type=json.loads, default={}, help="JSON: values that replace the preset's")
    wanted = parser.parse_args()
    images = sorted(path for path in wanted.images.rglob("*") if path.suffix.lower() in SUFFIXES)
    with Client(os.environ.get("PFA_URL", "http://127.0.0.1:8000"), os.environ.get("PFA_KEY")) as pfa:
        dataset = pfa.create_dataset(wanted.name, files=images, root=wanted.images, annotations=wanted.annotations)
        finetuning = pfa.start_job(
            "finetune", task="pose", dataset=dataset.id, init=wanted.init, name=wanted.name, config=wanted.config
        )
        model = str(result_of(finetuning.wait())["model"])
        scored = result_of(pfa.start_job("evaluate", model=model, dataset=dataset.id, split="all").wait())
        name, version = pfa.resolve_model(model)
        pfa.set_alias(name, "production", version)
    print(json.dumps({"model": model, "metrics": scored["metrics"]}, indent=2))


if __name__ == "__main__":
    main()
