"""Shell completion: its source is produced, and a real bash completes with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.missing import missing

ROOT = Path(__file__).parents[3]


@pytest.fixture
def command(tmp_path: Path) -> dict[str, str]:
    """An environment in which `pfa` is a command, as an installation makes it."""
    shim = tmp_path / "pfa"
    shim.write_text(
        f'#!/bin/sh\nexec "{sys.executable}" -c "import sys; from pfa.cli import app; app(prog_name=\'pfa\')" "$@"\n'
    )
    shim.chmod(0o755)
    path = os.pathsep.join([str(tmp_path), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "client")])}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_source_for_a_shell_is_produced(command: dict[str, str], shell: str) -> None:
    done = subprocess.run(
        ["pfa"], env={**command, "_PFA_COMPLETE": f"source_{shell}"}, capture_output=True, text=True, check=True
    )
    assert f"_PFA_COMPLETE=complete_{shell}" in done.stdout
    assert "Traceback" not in done.stderr


def test_bash_completes_commands_and_options(command: dict[str, str]) -> None:
    bash = shutil.which("bash") or missing("no bash is installed")
    script = (
        'eval "$(_PFA_COMPLETE=source_bash pfa)"\n'
        "COMP_WORDS=(pfa model); COMP_CWORD=1; _pfa_completion pfa; echo ${COMPREPLY[@]}\n"
        "COMP_WORDS=(pfa models exp); COMP_CWORD=2; _pfa_completion pfa; echo ${COMPREPLY[@]}\n"
        "COMP_WORDS=(pfa models export --form); COMP_CWORD=3; _pfa_completion pfa; echo ${COMPREPLY[@]}\n"
    )
    done = subprocess.run([bash, "-c", script], env=command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["models", "export", "--format"], done.stderr
