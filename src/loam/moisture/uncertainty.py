"""How sure a change-detection value is."""

import numpy as np


def ssm_uncertainty(
    ssm: np.ndarray, sensitivity: np.ndarray, backscatter_error: np.ndarray, dry_error: np.ndarray, wet_error: np.ndarray
) -> np.ndarray:
    """Standard uncertainty of SSM [1], by first-order propagation.

    u² = [u²(sigma40) + (1 - SSM)² u²(dry) + SSM² u²(wet)] / S², SSM taken between 0 and 1.

    Args:
        ssm: soil moisture between its references, any shape [1].
        sensitivity: wet minus dry, broadcastable [dB].
        backscatter_error: 1 sigma of the backscatter [dB].
        dry_error: standard error of the dry reference [dB].
        wet_error: standard error of the wet reference [dB].
    """
    inside = np.clip(ssm, 0, 1)
    variance = backscatter_error**2 + ((1 - inside) * dry_error) ** 2 + (inside * wet_error) ** 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(variance) / np.abs(sensitivity)
