"""What a measurement ran on, in a line: figures without it mean nothing."""

import os
from pathlib import Path


def describe() -> str:
    """Processor, cores and present load."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = names[0].split(":", 1)[1].strip() if names else "unknown processor"
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return f"{model}, {len(os.sched_getaffinity(0))} cores; load (1, 5, 15 min): {load}"
