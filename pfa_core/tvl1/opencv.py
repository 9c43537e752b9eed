"""OpenCV's own TV-L1: the reference that the fused kernels are measured against."""

import cv2
import numpy as np
from numpy.typing import NDArray

from pfa_core.config.flow import TvL1Config


class OpenCvTvL1:
    """`DualTVL1OpticalFlow` with our parameters. A `FlowEngine`."""

    def __init__(self, config: TvL1Config) -> None:
        self._flow = create(config)

    def __call__(self, first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float32]:
        """See `pfa_core.flow.FlowEngine`."""
        flow = self._flow.calc(first, second, None)  # type: ignore[call-overload]  # the stubs forget that None is fine
        return np.asarray(flow, np.float32)


def create(config: TvL1Config) -> cv2.optflow.DualTVL1OpticalFlow:
    """OpenCV's object. Set one by one, because `lambda` cannot be a keyword of its factory."""
    flow = cv2.optflow.DualTVL1OpticalFlow.create()
    flow.setTau(config.tau)
    flow.setLambda(config.lambda_)
    flow.setTheta(config.theta)
    flow.setScalesNumber(config.num_scales)
    flow.setScaleStep(config.scale_step)
    flow.setWarpingsNumber(config.num_warps)
    flow.setEpsilon(config.epsilon)
    flow.setInnerIterations(config.inner_iterations)
    flow.setOuterIterations(config.outer_iterations)
    flow.setMedianFiltering(config.median_size)
    return flow
