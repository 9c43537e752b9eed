"""Dense inverse search (Kroeger et al. 2016): several times cheaper than TV-L1 and clearly less exact."""

import cv2
import numpy as np
from numpy.typing import NDArray


class Dis:
    """OpenCV's DIS at its medium preset. A `FlowEngine`."""

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `pfa_core.flow.FlowEngine`."""
        # One for each pair: on frames of few pixels OpenCV's object changes its own scales in the first call, and a
        # pair's flow would depend on the pairs before it.
        dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
        flow = dis.calc(first, second, None)  # type: ignore[call-overload]  # the stubs forget that None is fine
        return np.asarray(flow, np.float32)
