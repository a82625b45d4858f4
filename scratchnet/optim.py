"""Optimisers: from gradients to the next parameters.  θ a parameter, g = ∂L/∂θ, lr the step size.

Each update works in place and tells the graph so: a loss computed before step() cannot be sent
backward after it.  A parameter whose .grad is None is left as it is, its state included.
"""
from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

import numpy as np

from .optim_kernels import adam_step
from .state import check_state
from .tensor import Leaf, Tensor


SMALL = 1 << 11                                 # numbers of a parameter that Adam updates together with others


class Optimiser:
    """What all share: the list of parameters, and per parameter the arrays named in `slots`.

        step()    t ← t + 1;  θ, slots ← update(θ, g, t, slots)  for each θ that has a gradient, t its own count
    Shapes  θ, g and every slot of one shape, any.
    Errors  TypeError: params not a list of leaf Tensors with requires_grad=True.  ValueError: none, one twice, lr ≤ 0;
            load_state: a state with other names, shapes or dtypes, or not finite.
    """
    slots: tuple[str, ...] = ()
    settings: tuple[str, ...] = ("lr",)         # attributes that are numbers and belong to a saved state

    def __init__(self, params: Iterable[Tensor], lr: float):
        if isinstance(params, Tensor) or not isinstance(params, Iterable):
            raise TypeError(f"{self.name}: params is a {type(params).__name__}, expected a list of Tensors: "
                            "model.parameters() or [w, b]")
        self.params = list(params)
        for i, p in enumerate(self.params):
            if not (isinstance(p, Tensor) and isinstance(p._node, Leaf)):
                what = f"a {type(p).__name__}" if not isinstance(p, Tensor) else \
                    "the result of an operation" if p.requires_grad else "a constant or frozen Tensor"
                raise TypeError(f"{self.name}: params[{i}] must be a Tensor with requires_grad=True, got {what}")
        if not self.params:
            raise ValueError(f"{self.name}: no parameters to optimise; pass model.parameters()")
        if len({id(p) for p in self.params}) != len(self.params):
            raise ValueError(f"{self.name}: a parameter is listed twice and would be updated twice")
        if not isinstance(lr, Real) or not lr > 0:
            raise ValueError(f"{self.name}: lr is {lr!r}, expected a positive step size")
        self.lr = float(lr)
        self.t = 0                                             # steps taken
        self.updates = [0] * len(self.params)                  # and how many of them each parameter took part in
        self.memory = {s: [np.zeros_like(p.data) for p in self.params] for s in self.slots}

    name = property(lambda self: type(self).__name__)

    def update(self, p: np.ndarray, g: np.ndarray, t: int, *memory: np.ndarray) -> None:
        """Change p, and what is remembered of it, in place; it is p's t-th update."""
        raise TypeError(f"{self.name} must define update(p, g, t, …)")

    def step(self) -> None:
        """One update of every parameter from its .grad."""
        self.t += 1
        todo = []
        for i, p in enumerate(self.params):
            if p.grad is None:
                continue
            for several in self.memory.values():
                if several[i].dtype != p.dtype:                # the model may have changed it
                    several[i] = several[i].astype(p.dtype)
            self.updates[i] += 1
            todo.append((p.overwriting(), p.grad, self.updates[i], *(self.memory[s][i] for s in self.slots)))
        self.update_all(todo)

    def update_all(self, several: list[tuple]) -> None:
        """`update` with each of these arguments."""
        for one in several:
            self.update(*one)

    def zero_grad(self) -> None:
        """Forget all gradients, so that the next backward starts new sums."""
        for p in self.params:
            p.grad = None

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all that a continued run needs, as named arrays for sn.save."""
        numbers = {name: np.array(float(getattr(self, name))) for name in self.settings}
        arrays = {f"{s}.{i}": a.copy() for s, several in self.memory.items() for i, a in enumerate(several)}
        return {"t": np.array(self.t), "updates": np.array(self.updates), **numbers, **arrays}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over a saved state, settings included.  ValueError if it is of another optimiser or model."""
        check_state(self.name, self.state(), state)
        self.t, self.updates = int(state["t"]), [int(n) for n in state["updates"]]
        for name in self.settings:
            setattr(self, name, (bool if isinstance(getattr(self, name), bool) else float)(state[name]))
        for s in self.slots:
            for i, array in enumerate(self.memory[s]):
                array[...] = state[f"{s}.{i}"]


class SGD(Optimiser):
    """Gradient descent, with momentum if wanted.

        v ← momentum·v + g          nesterov: look ahead with g + momentum·v instead of v
        θ ← θ − lr·v
    Shapes  θ, g, v of one shape, any.
    Errors  those of Optimiser; ValueError: momentum outside [0, 1), nesterov without momentum.
    Source  Sutskever et al. 2013, "On the importance of initialization and momentum".
    """
    slots, settings = ("v",), ("lr", "momentum", "nesterov")

    def __init__(self, params, lr: float, momentum: float = 0.0, nesterov: bool = False):
        check_unit("SGD", momentum=momentum)
        if nesterov and not momentum:
            raise ValueError("SGD: nesterov needs momentum > 0")
        self.momentum, self.nesterov = momentum, nesterov
        super().__init__(params, lr)

    def update(self, p, g, t, v):
        v *= self.momentum
        v += g
        p -= self.lr * (g + self.momentum * v if self.nesterov else v)


class RMSProp(Optimiser):
    """Steps divided by the recent size of the gradient, entry by entry.

        s ← decay·s + (1 − decay)·g²
        θ ← θ − lr · g / (√s + eps)
    Shapes  θ, g, s of one shape, any.
    Errors  those of Optimiser; ValueError: decay outside [0, 1).
    Source  Tieleman & Hinton 2012, Coursera lecture 6.5.
    """
    slots, settings = ("s",), ("lr", "decay", "eps")

    def __init__(self, params, lr: float = 1e-3, decay: float = 0.9, eps: float = 1e-8):
        check_unit("RMSProp", decay=decay)
        self.decay, self.eps = decay, eps
        super().__init__(params, lr)

    def update(self, p, g, t, s):
        s *= self.decay
        s += (1 - self.decay) * g * g
        p -= self.lr * g / (np.sqrt(s) + self.eps)


class Adam(Optimiser):
    """Momentum, divided by the recent size of the gradient; both averages start at 0 and are corrected for it.

        m ← β₁·m + (1 − β₁)·g               m̂ = m / (1 − β₁ᵗ)
        v ← β₂·v + (1 − β₂)·g²              v̂ = v / (1 − β₂ᵗ)
        θ ← θ − lr · m̂ / (√v̂ + eps)
    Shapes  θ, g, m, v of one shape, any.
    Errors  those of Optimiser; ValueError: β₁ or β₂ outside [0, 1).
    Source  Kingma & Ba 2015, arXiv:1412.6980, algorithm 1.
    """
    slots, settings = ("m", "v"), ("lr", "beta1", "beta2", "eps")

    def __init__(self, params, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
        self.beta1, self.beta2 = betas
        check_unit(self.name, beta1=self.beta1, beta2=self.beta2)
        self.eps = eps
        super().__init__(params, lr)

    def update_all(self, several):
        """Small parameters, of which a network has many, as one long one: each call costs more than their numbers do."""
        alike: dict[tuple, list] = {}
        for p, g, t, *moments in several:
            key = (t, p.dtype) if p.size <= SMALL else id(p)
            alike.setdefault(key, []).append((p, g, t, *moments))
        for some in alike.values():
            if len(some) == 1:
                self.update(*some[0])
            else:
                self.update_as_one(some)

    def update_as_one(self, several):
        ps, gs, ts, ms, vs = zip(*several)
        p, g, m, v = (np.concatenate([a.reshape(-1) for a in arrays]) for arrays in (ps, gs, ms, vs))
        self.update(p, g, ts[0], m, v)
        for arrays, joined in ((ps, p), (ms, m), (vs, v)):
            end = 0
            for a in arrays:
                start, end = end, end + a.size
                a[...] = joined[start:end].reshape(a.shape)

    def update(self, p, g, t, m, v):
        m_grows = 1 / (1 - self.beta1 ** t)                    # m̂ = m_grows·m
        v_grows = 1 / (1 - self.beta2 ** t)                    # v̂ = v_grows·v
        adam_step(p, m, v, g, self.beta1, self.beta2, self.lr * m_grows, math.sqrt(v_grows), self.eps)


class AdamW(Adam):
    """Adam with weight decay kept apart from the gradient's statistics:  θ ← θ − lr·decay·θ, then Adam's step.

    Shapes  θ, g, m, v of one shape, any.
    Errors  those of Adam.
    Source  Loshchilov & Hutter 2019, arXiv:1711.05101.
    """
    settings = (*Adam.settings, "weight_decay")

    def __init__(self, params, lr: float = 1e-3, betas=(0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01):
        self.weight_decay = weight_decay
        super().__init__(params, lr, betas, eps)

    def update(self, p, g, t, m, v):
        p -= self.lr * self.weight_decay * p
        super().update(p, g, t, m, v)


def warm_up(step: int, steps: int, peak: float) -> float:
    """The learning rate of step 0, 1, …: up to `peak` on a straight line over the first `steps`, then `peak`.

        lr = peak·min(1, (step + 1)/steps)
    Adam's first steps move every weight by lr, whatever the gradient's size.  A ReLU unit whose inputs are
    all positive gets moves of one sign from its thousands of weights, and one step may switch it off for good.
    Errors  ZeroDivisionError: steps is 0.
    Source  Goyal et al. 2017, arXiv:1706.02677, §2.2.
    """
    return peak * min(1.0, (step + 1) / steps)


def one_cycle(step: int, steps: int, peak: float, warm: float = 0.25) -> float:
    """The learning rate of step 0 … steps−1: up to `peak` in the first quarter, then down to 0, on cosines.

        t = (step + 1)/steps
        lr = peak·(0.52 − 0.48·cos πt/warm)  where t < warm, from peak/25;  else ½·peak·(1 + cos π(t − warm)/(1 − warm))
    Errors  ZeroDivisionError: steps is 0, or warm is 1 at the last step.
    Source  Smith & Topin 2018, arXiv:1708.07120.
    """
    t = (step + 1) / steps
    if t < warm:
        return peak * (0.52 - 0.48 * math.cos(math.pi * t / warm))                          # from peak/25
    return peak * 0.5 * (1 + math.cos(math.pi * (t - warm) / (1 - warm)))


def check_unit(name: str, **values: float) -> None:
    for key, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}: {key} is {value}, expected a number in [0, 1)")
