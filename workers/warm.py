"""Has the flow kernels compiled before the first job asks: `python -m workers.warm PARENT_PID`.

They are kept on disk, so this takes seconds once per installation and a moment later on. `workers/serve` starts it
beside its workers, in a process of its own and behind everything else, so that nothing waits for it.
"""

import os
import sys
from collections.abc import Sequence

from pfa_core.flow import warm_up
from pfa_core.lifeline import die_with


def main(arguments: Sequence[str]) -> None:
    """Compile and leave; die with the parent."""
    (parent_pid,) = arguments
    die_with(int(parent_pid))
    os.nice(19)
    warm_up()


if __name__ == "__main__":
    main(sys.argv[1:])
