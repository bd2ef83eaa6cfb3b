"""Sharpness-aware minimisation around any optimiser, resumable.

Reference: Foret et al., Sharpness-Aware Minimization, ICLR 2021, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from facewitness.errors import CheckpointError, ConfigError

_TINY = 1e-12


class Sam(Optimizer):
    """Step from the gradient at the worst nearby point.

    Each step needs two forward and backward passes: after the first call `ascend`, after the second `descend`
    (or hand `step` a closure that does a whole pass). Unlike the authors' training script, the state of the inner
    optimiser (Adam's moments) is saved and restored.

    Args:
        params: Parameters or parameter groups, as for any optimiser.
        make_inner: Builds the inner optimiser over the same groups, such as ``functools.partial(torch.optim.Adam,
            lr=5e-5, weight_decay=1e-4)``.
        rho: Radius of the neighbourhood, in the norm of all parameters.
        sum_over_ranks: Adds a scalar over processes that hold different parts of each parameter (FSDP); None where
            every process holds all of them.

    Raises:
        ConfigError: If ``rho`` is negative.

    Example:
        >>> weight = torch.nn.Parameter(torch.ones(2))
        >>> sam = Sam([weight], lambda p: torch.optim.SGD(p, lr=0.1), rho=0.05)
        >>> def closure():
        ...     sam.zero_grad()
        ...     loss = (weight**2).sum()
        ...     loss.backward()
        ...     return loss
        >>> _ = sam.step(closure)
        >>> bool((weight < 1).all())
        True
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        make_inner: Callable[[list[dict[str, Any]]], Optimizer],
        *,
        rho: float = 0.05,
        sum_over_ranks: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        if rho < 0:
            msg = f"rho must be at least 0, got {rho}"
            raise ConfigError(msg)
        super().__init__(params, {"rho": rho})
        self.inner = make_inner(self.param_groups)
        self.param_groups = self.inner.param_groups
        self._shifts: dict[Tensor, Tensor] = {}
        self._sum_over_ranks = sum_over_ranks

    @torch.no_grad()
    def ascend(self) -> None:
        """Move to the worst point within ``rho`` along the gradient."""
        norm = self._gradient_norm()
        for group in self.param_groups:
            scale = group["rho"] / (norm + _TINY)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    shift = parameter.grad * scale.to(parameter)
                    parameter.add_(shift)
                    self._shifts[parameter] = shift

    @torch.no_grad()
    def descend(self) -> None:
        """Go back and let the inner optimiser step with the gradient found there."""
        for parameter, shift in self._shifts.items():
            parameter.sub_(shift)
        self._shifts.clear()
        self.inner.step()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Do both passes.

        Args:
            closure: Clears gradients, computes the loss, runs backward and returns the loss.

        Returns:
            The loss of the first pass.

        Raises:
            ConfigError: Without a closure.
        """
        if closure is None:
            msg = "Sam.step needs a closure that does a forward and a backward pass; or call ascend and descend"
            raise ConfigError(msg)
        with torch.enable_grad():
            loss = closure()
        self.ascend()
        with torch.enable_grad():
            closure()
        self.descend()
        return loss

    def _gradient_norm(self) -> Tensor:
        norms = [p.grad.norm() for g in self.param_groups for p in g["params"] if p.grad is not None]
        if not norms:
            msg = "no parameter has a gradient; run backward before ascend"
            raise ConfigError(msg)
        norm: Tensor = torch.stack([n.to(norms[0]) for n in norms]).norm()
        return norm if self._sum_over_ranks is None else self._sum_over_ranks(norm**2).sqrt()

    def state_dict(self) -> dict[str, Any]:
        """State of the inner optimiser, with ``rho`` in the groups."""
        return {"inner": self.inner.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore `state_dict`.

        Raises:
            CheckpointError: If it is not of a `Sam`.
        """
        if "inner" not in state_dict:
            msg = f"not a state of Sam: expected the key 'inner', got {sorted(state_dict)}"
            raise CheckpointError(msg)
        self.inner.load_state_dict(state_dict["inner"])
        self.param_groups = self.inner.param_groups
