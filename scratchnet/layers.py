"""Layers: an op together with the parameters it needs.

A layer holds Tensors (its parameters) and other layers as plain attributes; parameters are found by
looking, in the order they were assigned.  `layer(x)` calls its `forward`.  Weights start Glorot-uniform,
biases at 0.  Shapes: dense (…, D); images (N, C, H, W).
"""
from __future__ import annotations

from typing import Iterator

import numpy as np

from . import init, ops
from .joined import joined
from .kernel import prepare
from .ops.conv_checks import pair
from .rng import generator
from .state import check_state
from .tensor import Tensor

Array = Tensor | np.ndarray


class Layer:
    """Base of all layers and models: assign parameters and sub-layers as attributes, define forward."""
    training = True
    buffers: tuple[str, ...] = ()               # attributes that are saved but not trained (running means)

    def forward(self, x: Array) -> Tensor:
        raise TypeError(f"{type(self).__name__} must define forward(self, x)")

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)

    def members(self) -> Iterator[tuple[str, Layer | Tensor]]:
        """(name, layer or tensor) of what this layer holds itself, also inside lists, tuples and dicts."""
        for name, value in vars(self).items():
            yield from layers_and_tensors(name, value)

    def walk(self, path: str = "") -> Iterator[tuple[Layer, str]]:
        """This layer and all below it, each with the prefix of its names."""
        yield self, path
        for name, member in self.members():
            if isinstance(member, Layer):
                yield from member.walk(f"{path}{name}.")

    def named_arrays(self, trained: bool = False) -> Iterator[tuple[str, Tensor]]:
        """(name, Tensor) of all that is saved: parameters, and unless `trained`, buffers."""
        for owner, path in self.walk():
            for name, member in owner.members():
                if isinstance(member, Tensor) and not (trained and name in owner.buffers):
                    yield path + name, member

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """(name, Tensor) of every parameter, each once, sub-layers after a dot; frozen ones are left out."""
        seen = set()
        for name, t in self.named_arrays(trained=True):
            if t.requires_grad and id(t) not in seen:
                seen.add(id(t))
                yield name, t

    def parameters(self) -> list[Tensor]:
        """Every trainable parameter, for an optimiser."""
        return [p for _, p in self.named_parameters()]

    def state(self) -> dict[str, np.ndarray]:
        """Copies of all parameters and buffers by name, for sn.save."""
        return {name: t.data.copy() for name, t in self.named_arrays()}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Take over a saved state.  ValueError, naming the entry and both shapes, if it is another model's."""
        own = dict(self.named_arrays())
        check_state(type(self).__name__, {name: t.data for name, t in own.items()}, state)
        for name, t in own.items():
            t.overwriting()[...] = state[name]

    def train(self, mode: bool = True) -> Layer:
        """Training behaviour from now on (dropout drops, batch norm uses the batch's statistics)."""
        for layer, _ in self.walk():
            layer.training = mode
        return self

    def eval(self) -> Layer:
        """Test behaviour from now on."""
        return self.train(False)

    def zero_grad(self) -> None:
        for _, t in self.named_arrays():
            t.grad = None

    def astype(self, dtype) -> Layer:
        """Convert all parameters and buffers in place, to float64 for gradient checks for instance."""
        for _, t in self.named_arrays():
            t.convert(dtype)
        return self

    def __repr__(self):
        return "\n".join(self.lines()) + f"\n{sum(p.size for p in self.parameters()):,} parameters"

    def lines(self, name: str = "", indent: int = 0) -> Iterator[str]:
        tensors = [(n, t) for n, t in self.members() if isinstance(t, Tensor)]
        count = sum(t.size for n, t in tensors if n not in self.buffers)
        text = f"{'  ' * indent}{name + ': ' if name else ''}{type(self).__name__}"
        shapes = ", ".join(f"{n} {t.shape}" for n, t in tensors)
        yield (f"{text:<34}{shapes}" + (f"   {count:,}" if count else "")).rstrip()
        for child_name, child in self.members():
            if isinstance(child, Layer):
                yield from child.lines(child_name, indent + 1)


def layers_and_tensors(name: str, value) -> Iterator[tuple[str, Layer | Tensor]]:
    if isinstance(value, (Layer, Tensor)):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, one in value.items() if isinstance(value, dict) else enumerate(value):
            yield from layers_and_tensors(f"{name}.{key}", one)


def parameter(array: np.ndarray) -> Tensor:
    prepare()
    return Tensor(array, requires_grad=True)


class Dense(Layer):
    """y = x @ w + b.    Shapes  x (N,D), w (D,M), b (M,) → (N,M); any axes for N.    Errors, Source  those of sn.dense."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True, rng=None):
        self.w = parameter(init.glorot_uniform((inputs, outputs), rng))
        self.b = parameter(np.zeros(outputs, np.float32)) if bias else None

    def forward(self, x: Array) -> Tensor:
        return ops.dense(x, self.w, self.b)


class Conv2d(Layer):
    """y = conv2d(x, w, b).    Shapes  x (N,C,H,W), w (F,C,K,L), b (F,) → (N,F,I,J).    Errors, Source  those of sn.conv2d."""

    def __init__(self, channels: int, filters: int, kernel, *, stride=1, padding=0, dilation=1, bias=True, rng=None):
        self.w = parameter(init.glorot_uniform((filters, channels, *pair("Conv2d", "kernel", kernel, 1)), rng))
        self.b = parameter(np.zeros(filters, np.float32)) if bias else None
        self.settings = dict(stride=stride, padding=padding, dilation=dilation)

    def forward(self, x: Array) -> Tensor:
        return ops.conv2d(x, self.w, self.b, **self.settings)

    def forward_relu(self, x: Array, slope: float) -> Tensor:
        return ops.conv2d_relu(x, self.w, self.b, slope=slope, **self.settings)


class ConvTranspose2d(Layer):
    """y = conv_transpose2d(x, w, b).    Shapes  x (N,F,I,J), w (F,C,K,L), b (C,) → (N,C,H,W).    Errors  those of that op."""

    def __init__(self, filters: int, channels: int, kernel, *, stride=1, padding=0, output_padding=0, dilation=1,
                 bias=True, rng=None):
        self.w = parameter(init.glorot_uniform((filters, channels, *pair("ConvTranspose2d", "kernel", kernel, 1)), rng))
        self.b = parameter(np.zeros(channels, np.float32)) if bias else None
        self.settings = dict(stride=stride, padding=padding, output_padding=output_padding, dilation=dilation)

    def forward(self, x: Array) -> Tensor:
        return ops.conv_transpose2d(x, self.w, self.b, **self.settings)

    def forward_relu(self, x: Array, slope: float) -> Tensor:
        return ops.conv_transpose2d_relu(x, self.w, self.b, slope=slope, **self.settings)


class Dropout(Layer):
    """In training, each number is 0 with probability p, else divided by 1 − p: the mean stays.

    Shapes  x (N,D) → (N,D), or any.    Errors  ValueError: p outside [0, 1).    Source  Srivastava et al. 2014, JMLR 15.
    """

    def __init__(self, p: float = 0.5, *, rng=None):
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: p is {p}, expected a probability in [0, 1)")
        self.p, self.rng = p, rng if rng is None else generator(rng)   # a seed is used once, not for every batch

    def forward(self, x: Array) -> Tensor:
        if not self.training or self.p == 0:
            return x
        kept = generator(self.rng).random(x.shape) >= self.p
        return x * Tensor((kept / (1 - self.p)).astype(x.dtype))


class Sequential(Layer):
    """The layers, one after the other.    Errors  TypeError: one of them is not a layer."""

    def __init__(self, *layers: Layer):
        for i, layer in enumerate(layers):
            if not callable(layer):
                raise TypeError(f"Sequential: layers[{i}] is a {type(layer).__name__}, expected a layer; pass the layers "
                                "one by one: Sequential(Dense(…), ReLU(), …)")
        self.layers = layers

    def forward(self, x: Array) -> Tensor:
        todo = list(self.layers)
        while todo:
            x, todo = several(todo, x) if joined.here() else (todo[0](x), todo[1:])
        return x

    def __getitem__(self, i):
        return self.layers[i]


def several(layers: list, x: Array) -> tuple[Tensor, list]:
    """As many of the first layers as are one op, applied to x, and the layers that are left."""
    layer = layers[0]
    weights, row, count = alike(layers, (Dense,) if type(layer) is Dense else CONVOLUTIONS)
    if type(layer) is Dense and count > 1:
        return ops.dense_chain(x, weights, slopes=[slope for _, slope in row]), layers[count:]
    if len(row) > 1:
        stages = [ops.Stage(type(one) is ConvTranspose2d, slope, **one.settings) for one, slope in row]
        return ops.conv_chain(x, weights, stages=stages), layers[count:]
    if len(layers) > 1 and is_relu(layers[1]):
        if type(layer) in CONVOLUTIONS or type(layer) is BatchNorm and layer.in_one(x):
            return layer.forward_relu(x, slope_of(layers[1])), layers[2:]
    return layer(x), layers[1:]


def alike(layers: list, kinds: tuple) -> tuple[list, list, int]:
    """The layers of these kinds that these begin with: their weights, each with the slope of the ReLU behind it, how many in all.

    Only such whose weights are all trained, or all frozen: the gradients of a chain are worked out together.
    """
    weights, found, count = [], [], 0
    while count < len(layers) and type(layers[count]) in kinds and layers[count].b is not None:
        layer, after = layers[count], layers[count + 1:count + 2]
        weights += [layer.w, layer.b]
        if len({w.requires_grad for w in weights}) > 1:
            return weights[:-2], found, count
        relu = bool(after) and is_relu(after[0])
        found.append((layer, slope_of(after[0]) if relu else 1.0))         # slope 1: none
        count += 1 + relu
    return weights, found, count


def is_relu(layer: Layer) -> bool:
    return type(layer) is ReLU or type(layer) is LeakyReLU and layer.slope >= 0


def slope_of(relu: Layer) -> float:
    return getattr(relu, "slope", 0.0)          # a ReLU is a leaky one of slope 0


CONVOLUTIONS = (Conv2d, ConvTranspose2d)


class ReLU(Layer):
    """y = max(x, 0), entry by entry.    Shapes  x (N,D) → (N,D), or any.    Source  the card of sn.relu."""
    def forward(self, x: Array) -> Tensor: return ops.relu(x)


class LeakyReLU(Layer):
    """y = x where x > 0, else slope·x.    Shapes  x (N,D) → (N,D), or any.    Source  the card of sn.leaky_relu."""
    def __init__(self, slope: float = 0.01): self.slope = slope
    def forward(self, x: Array) -> Tensor: return ops.leaky_relu(x, slope=self.slope)


class Sigmoid(Layer):
    """y = 1 / (1 + e⁻ˣ), entry by entry.    Shapes  x (N,D) → (N,D), or any.    Source  the card of sn.sigmoid."""
    def forward(self, x: Array) -> Tensor: return ops.sigmoid(x)


class Tanh(Layer):
    """y = tanh x, entry by entry.    Shapes  x (N,D) → (N,D), or any.    Source  the card of sn.tanh."""
    def forward(self, x: Array) -> Tensor: return ops.tanh(x)


class Flatten(Layer):
    """All but the first axis in one.    Shapes  x (N,C,H,W) → (N,C*H*W), or any.    Source  the card of sn.reshape."""
    def forward(self, x: Array) -> Tensor: return ops.reshape(x, (x.shape[0], -1))


class Reshape(Layer):
    """Each x[n] in another shape.    Shapes  x (N,D) → (N,*shape).    Errors  ValueError: other sizes.    Source  sn.reshape."""
    def __init__(self, *shape: int): self.shape = shape
    def forward(self, x: Array) -> Tensor: return ops.reshape(x, (x.shape[0], *self.shape))


class MaxPool2d(Layer):
    """The largest pixel of each window; stride: its size.    Shapes  x (N,C,H,W) → (N,C,I,J).    Source  sn.max_pool2d."""
    def __init__(self, size, *, stride=None, padding=0): self.settings = dict(size=size, stride=stride, padding=padding)
    def forward(self, x: Array) -> Tensor: return ops.max_pool2d(x, **self.settings)


class AvgPool2d(Layer):
    """The mean of each window; stride: its size.    Shapes  x (N,C,H,W) → (N,C,I,J).    Source  sn.avg_pool2d."""
    def __init__(self, size, *, stride=None, padding=0): self.settings = dict(size=size, stride=stride, padding=padding)
    def forward(self, x: Array) -> Tensor: return ops.avg_pool2d(x, **self.settings)


from .batch_norm import BatchNorm               # noqa: E402  at the end, because they are built on Layer
from .spectral_norm import SpectralNorm         # noqa: E402, F401
