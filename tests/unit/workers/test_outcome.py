import errno

import pytest

from pfa_core.errors import TrainingDiverged
from workers.outcome import Outcome


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TrainingDiverged("The loss is nan."), "training_diverged"),
        (OSError(errno.ENOSPC, "No space left on device"), "disk_full"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "disk_full"),
        (OSError(errno.EFBIG, "File too large"), "disk_full"),
        (OSError(errno.EIO, "Input/output error"), "internal"),
        (KeyError("secret"), "internal"),
        (MemoryError(), "out_of_memory"),
    ],
)
def test_errors_become_codes(error: Exception, code: str) -> None:
    outcome = Outcome.of(error)
    assert outcome.code == code
    assert outcome.message
    assert "secret" not in outcome.message
