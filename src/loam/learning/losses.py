"""What training minimises, as sums over labelled pixels, so that processes can add theirs up."""

import torch
from torch import nn

from loam.core.features import WEATHER

# Exponent of the variance that weighs the Gaussian loss (Seitzer et al. 2022, ICLR): plain likelihood lets the variance
# explain away what the mean should learn.
BETA_NLL = 0.5
# From this error on, Huber's loss grows linearly [1]: about the error of a label.
HUBER_DELTA = 0.15
RAIN = WEATHER.index("precipitation")
# More rain, as it is drawn for `monotonicity_penalty`: on all days times up to 1.5 and up to 5 mm more, or up to 20 mm on one
# of the last days, since what fell long before has drained.
MORE_TIMES, MORE_MM, ONE_DAY_MM, LAST_DAYS = 0.5, 5.0, 20.0, 15


def gaussian(
    mean: torch.Tensor, log_variance: torch.Tensor, ssm: torch.Tensor, beta: float = 0.0
) -> torch.Tensor:
    """Gaussian negative log-likelihood per pixel without its constant; with beta above 0 tempered by variance^beta.

    Only beta = 0 ranks models: tempered values rise as the variance shrinks.

    Args:
        mean: predicted SSM [1], any shape.
        log_variance: logarithm of its variance, of the same shape.
        ssm: labels [1], of the same shape.
        beta: power of the variance that tempers the loss; 0: none.
    """
    variance = log_variance.exp()
    return 0.5 * (log_variance + (ssm - mean) ** 2 / variance) * variance.detach() ** beta


def pixel_losses(
    kind: str, mean: torch.Tensor, log_variance: torch.Tensor, ssm: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss that is minimised and loss that ranks models, per pixel.

    Args:
        kind: 'nll', 'mse' or 'huber'. With the last two the variance learns how large the errors are, and moves nothing else.
        mean: `(batch, y, x)`.
        log_variance: of the same shape.
        ssm: labels of the same shape, without NaN.
    """
    if kind == "nll":
        return gaussian(mean, log_variance, ssm, BETA_NLL), gaussian(mean, log_variance, ssm)
    point = (
        (mean - ssm) ** 2
        if kind == "mse"
        else nn.functional.huber_loss(mean, ssm, reduction="none", delta=HUBER_DELTA)
    )
    return point + gaussian(mean.detach(), log_variance, ssm, beta=1.0), point


def label_weight(
    ssm: torch.Tensor, uncertainty: torch.Tensor, typical_variance: float | None
) -> torch.Tensor:
    """Weight of every pixel: 0 without a label; else 1, or less the more uncertain the label is.

    1 / (1 + u²/typical u²): a perfect label counts twice a typical one, so that no few pixels rule.

    Args:
        ssm: labels, NaN where there is none.
        uncertainty: their standard errors.
        typical_variance: median of u² over the training labels; None counts all labels alike.
    """
    valid = torch.isfinite(ssm) & torch.isfinite(uncertainty)
    if typical_variance is None:
        return valid.float()
    return torch.where(
        valid, 1 / (1 + torch.nan_to_num(uncertainty).square() / typical_variance), 0.0
    )


def with_more_rain(dynamic: torch.Tensor, draws: torch.Tensor) -> torch.Tensor:
    """The same weather with rain added at random, `(batch, time, channel, y, x)`.

    Args:
        dynamic: raw units.
        draws: uniform in 0..1, `(batch, 5)`: how many times more, how much more, how much on one day, which day, which way.
    """
    steps = dynamic.shape[1]
    times, level, one, place, way = draws.to(dynamic).T[:, :, None, None, None]
    recent = min(steps, LAST_DAYS)
    day = steps - recent + (place * recent).long().clamp(max=recent - 1)
    on_day = torch.arange(steps, device=dynamic.device)[:, None, None] == day
    rain = dynamic[:, :, RAIN]
    on_all_days = rain * (1 + MORE_TIMES * times) + MORE_MM * level
    out = dynamic.clone()
    out[:, :, RAIN] = torch.where(way < 0.5, on_all_days, rain + ONE_DAY_MM * one * on_day)
    return out
