"""What the demo does with a running service, stage by stage."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pfa.demo_service import DemoService
from pfa_core.synthetic import SceneConfig, make_clip_set, make_pose_images

INITS = ("motion", "random")
