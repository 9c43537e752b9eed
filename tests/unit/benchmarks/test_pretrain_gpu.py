"""The benchmark of pretraining steps, in small, on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
ABSENT = ("av", "numba", "faiss", "matplotlib", "fastapi", "sqlalchemy", "pydantic", "celery")
CODE = f"""
import sys
for name in {ABSENT!r}:
    sys.modules[name] = None  # as if it were not installed
import torch
from benchmarks import pretrain_gpu
from pfa_core.config.pretrain import small
from pfa_core.frame_store import FrameStore
from pfa_core.stand_in import stand_in_clips
from dataclasses import replace
from pfa_core.config.net import NetConfig
base = small()
config = replace(base, net=NetConfig(width=1 / 32, crop_px=64, norm="batch"), learn=replace(base.learn, batch_size=4))
store = FrameStore(stand_in_clips(config, count=2, num_frames=13))
pace = pretrain_gpu.measure(config, store, device=torch.device("cpu"), warm_up=1, steps=2, compiled=False)
assert pace.step_s > 0, pace
assert 0 <= pace.stall < 1, pace
assert pace.memory_bytes == 0, pace
"""


def test_it_runs_where_little_more_than_torch_is_installed() -> None:
    subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
