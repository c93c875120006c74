"""Losses against sums by hand."""

import numpy as np
import pytest
import torch

from loam.learning.losses import HUBER_DELTA, gaussian, label_weight, pixel_losses, with_more_rain


def test_the_gaussian_is_that_of_scipy() -> None:
    from scipy import stats

    got = gaussian(torch.tensor([0.2, 0.7]), torch.tensor([-3.0, 0.5]), torch.tensor([0.5, 0.6]))
    expected = -stats.norm.logpdf([0.5, 0.6], [0.2, 0.7], np.exp([-1.5, 0.25])) - 0.5 * np.log(
        2 * np.pi
    )
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_the_tempered_loss_moves_the_mean_as_hard_whatever_the_variance() -> None:
    """With beta = 1 the pull on the mean is that of squared error; the plain loss divides it by the variance."""
    pulls = []
    for beta, log_variance in ((1.0, -5.0), (1.0, 0.0), (0.0, -5.0)):
        mean = torch.tensor([[0.3]], requires_grad=True)
        gaussian(
            mean, torch.full((1, 1), log_variance), torch.tensor([[0.5]]), beta
        ).sum().backward()
        pulls.append(float(mean.grad))
    assert pulls == pytest.approx([-0.2, -0.2, -0.2 * np.exp(5)], rel=1e-5)


@pytest.mark.parametrize(("kind", "pull"), [("mse", 2 * 0.4), ("huber", HUBER_DELTA)])
def test_with_a_point_loss_the_variance_learns_and_moves_nothing_else(
    kind: str, pull: float
) -> None:
    mean, log_variance = (
        torch.tensor([0.9], requires_grad=True),
        torch.tensor([-1.0], requires_grad=True),
    )
    minimised, ranking = pixel_losses(kind, mean, log_variance, torch.tensor([0.5]))
    minimised.sum().backward()
    assert float(mean.grad) == pytest.approx(pull, rel=1e-5)
    assert float(log_variance.grad) != 0
    expected = 0.16 if kind == "mse" else HUBER_DELTA * (0.4 - HUBER_DELTA / 2)
    assert float(ranking.detach()) == pytest.approx(expected, rel=1e-5)


def test_uncertain_labels_count_less_and_missing_ones_not() -> None:
    ssm = torch.tensor([0.1, 0.2, 0.3, torch.nan])
    uncertainty = torch.tensor([0.0, 0.1, 0.2, 0.1])
    assert label_weight(ssm, uncertainty, 0.01).tolist() == pytest.approx([1.0, 0.5, 0.2, 0.0])
    assert label_weight(ssm, uncertainty, None).tolist() == [1, 1, 1, 0]


@pytest.mark.parametrize("steps", [1, 4, 40])
def test_more_rain_is_more_rain_and_nothing_else(steps: int) -> None:
    generator = torch.Generator().manual_seed(0)
    dynamic = torch.rand(64, steps, 5, 3, 3, generator=generator)
    draws = torch.rand(64, 5, generator=generator)
    wetter = with_more_rain(dynamic, draws)
    torch.testing.assert_close(wetter[:, :, 1:], dynamic[:, :, 1:])
    added = wetter[:, :, 0] - dynamic[:, :, 0]
    assert (added >= 0).all()
    on_one_day = draws[:, 4] >= 0.5
    days = (added.flatten(2).amax(-1) > 0).sum(dim=1)
    assert (days[on_one_day] == 1).all()
    assert (days[~on_one_day] == steps).all()
    assert (added[on_one_day][:, : max(steps - 15, 0)] == 0).all()
