"""SAM and the schedule; the trajectories of the authors are compared in the parity tests."""

import copy
from functools import partial

import pytest

torch = pytest.importorskip("torch")

from facewitness.errors import CheckpointError, ConfigError
from facewitness.training.sam import Sam
from facewitness.training.schedules import boosted_linear_decay

ADAM = partial(torch.optim.Adam, lr=0.01, weight_decay=1e-4)


def problem():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 3, generator=generator)
    y = torch.randn(16, 4, generator=generator)
    weight = torch.nn.Parameter(torch.randn(4, 3, generator=generator))
    return x, y, weight


def stepper(sam, weight, x, y):
    def closure():
        sam.zero_grad()
        loss = ((x @ weight.T - y) ** 2).mean()
        loss.backward()
        return loss

    return closure


def test_with_no_radius_it_is_the_inner_optimiser():
    x, y, weight = problem()
    other = torch.nn.Parameter(weight.detach().clone())
    sam, adam = Sam([weight], ADAM, rho=0.0), ADAM([other])
    for _ in range(4):
        sam.step(stepper(sam, weight, x, y))
        stepper(adam, other, x, y)()
        adam.step()
    torch.testing.assert_close(weight, other)


def test_the_gradient_is_taken_at_the_worst_nearby_point():
    x, y, weight = problem()
    start = weight.detach().clone()
    sam = Sam([weight], ADAM, rho=0.05)
    closure = stepper(sam, weight, x, y)
    closure()
    gradient = weight.grad.clone()
    sam.ascend()
    torch.testing.assert_close(weight.detach(), start + 0.05 * gradient / gradient.norm())
    closure()
    sam.descend()
    assert (weight.detach() - start).abs().max() <= 0.0101


def test_it_can_be_resumed_where_the_authors_lose_the_moments():
    x, y, weight = problem()
    sam = Sam([weight], ADAM)
    for _ in range(3):
        sam.step(stepper(sam, weight, x, y))
    saved, kept = copy.deepcopy(sam.state_dict()), weight.detach().clone()
    for _ in range(3):
        sam.step(stepper(sam, weight, x, y))
    resumed = torch.nn.Parameter(kept.clone())
    again = Sam([resumed], ADAM)
    again.load_state_dict(saved)
    for _ in range(3):
        again.step(stepper(again, resumed, x, y))
    assert torch.equal(resumed, weight)
    fresh = torch.nn.Parameter(kept.clone())
    without = Sam([fresh], ADAM)
    for _ in range(3):
        without.step(stepper(without, fresh, x, y))
    assert not torch.equal(fresh, weight)


def test_rate_follows_the_schedule_also_after_resuming():
    _, _, weight = problem()
    sam = Sam([weight], ADAM)
    sam.load_state_dict(sam.state_dict())
    rates = []
    for epoch in range(8):
        for group in sam.param_groups:  # as LaaStep sets it
            group["lr"] = 0.01 * boosted_linear_decay(epoch, epochs=8)
        rates.append(sam.inner.param_groups[0]["lr"])
        weight.grad = torch.ones_like(weight)
        sam.ascend()
        sam.descend()
    assert rates == pytest.approx([0.01 * boosted_linear_decay(e, epochs=8) for e in range(8)])
    assert max(rates) == pytest.approx(0.04)


def test_parameters_without_gradient_stay():
    x, y, weight = problem()
    idle = torch.nn.Parameter(torch.ones(2))
    sam = Sam([weight, idle], partial(torch.optim.SGD, lr=0.1))
    sam.step(stepper(sam, weight, x, y))
    assert torch.equal(idle, torch.ones(2))


def test_wrong_use_is_said():
    _, _, weight = problem()
    with pytest.raises(ConfigError, match="rho"):
        Sam([weight], ADAM, rho=-1)
    sam = Sam([weight], ADAM)
    with pytest.raises(ConfigError, match="closure"):
        sam.step()
    with pytest.raises(ConfigError, match="backward"):
        sam.ascend()
    with pytest.raises(CheckpointError, match="Sam"):
        sam.load_state_dict({"state": {}})


@pytest.mark.parametrize(("epoch", "factor"), [(0, 1.0), (5, 1.6), (25, 4.0), (55, 2.4), (99, 4 / 75), (120, 0.0)])
def test_schedule(epoch, factor):
    assert boosted_linear_decay(epoch, epochs=100) == pytest.approx(factor)


@pytest.mark.parametrize("values", [{"epochs": 0}, {"epochs": 4, "start_decay": 4}, {"epochs": 4, "booster": 0}])
def test_schedule_that_makes_no_sense_is_refused(values):
    with pytest.raises(ConfigError):
        boosted_linear_decay(0, **values)
