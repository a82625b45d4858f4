"""Tensor: an array, and the place in the graph from which gradients reach it.

The operators (a * b, t.sum(), t[0]) are ops like all others; ops/__init__.py puts them on Tensor.
"""
from __future__ import annotations

from typing import TYPE_CHECKING, Any, Iterator

import numpy as np

FLOATS = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.complex128))


def sealed(array: np.ndarray) -> np.ndarray:
    """A read-only view: whoever writes into it is stopped by NumPy, at the line that does."""
    view = array.view()
    view.flags.writeable = False
    return view


class Leaf:
    """The end of a path: the gradient of a Tensor made with requires_grad=True gathers here."""
    __slots__ = ("grad", "version", "loss", "__weakref__")
    edges, released = (), False

    def __init__(self):
        self.grad, self.version = None, 0       # version: counts the engine's writes into the array
        self.loss = None                        # a weak reference to where the last backward came from: for sn.explain


class Tensor:
    """An array that remembers how it was computed, so that gradients can flow back to its sources.

    Tensor(array, requires_grad=False) copies.  float32, float64 and complex128 arrays keep their
    dtype; integers, booleans and Python lists become float32.
    Errors   TypeError for what is not numbers.  ValueError for ragged lists.
    Safety   .data and .numpy() are read-only views: an array that backward will need cannot change
             behind its back.  `t.data = t.data - step` puts a new array in place (`t.data -= step` would
             write into the view, and NumPy refuses); earlier graphs keep the old one.
    """
    __slots__ = ("_array", "_node", "_leaf", "_own", "__weakref__")
    if TYPE_CHECKING:                           # for type checkers: what ops/__init__.py puts here
        __add__ = __sub__ = __mul__ = __truediv__ = __pow__ = __matmul__ = lambda self, other: self
        __radd__ = __rsub__ = __rmul__ = __rtruediv__ = __rpow__ = __rmatmul__ = lambda self, other: self
        def __neg__(self) -> Tensor: ...
        def __getitem__(self, index: Any) -> Tensor: ...
        def sum(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def max(self, axis: Any = None, keepdims: bool = False) -> Tensor: ...
        def reshape(self, *shape: Any) -> Tensor: ...
        def transpose(self, *axes: Any) -> Tensor: ...
        T: Tensor
    __array_ufunc__ = None                      # NumPy leaves array * tensor to Tensor.__rmul__
    __hash__ = object.__hash__                  # == compares numbers; as a key a Tensor is itself

    def __init__(self, array: Any, requires_grad: bool = False):
        if isinstance(array, Tensor):
            array = array._array
        typed = isinstance(array, (np.ndarray, np.generic))
        try:
            a = np.array(array)
        except (TypeError, ValueError) as e:
            what = "Tensors; join them with sn.stack" if holds_tensors(array) else "rows of different lengths (a ragged list)"
            raise type(e)(f"Tensor: expected an array or nested lists of numbers, got a list of {what}") from None
        if a.dtype.kind in "iub" or (not typed and a.dtype.kind == "f"):
            a = a.astype(np.float32)
        if a.dtype not in FLOATS:
            raise TypeError(f"Tensor: cannot hold {a.dtype}; expected numbers (float32, float64, "
                            "complex128, or integers and lists, which become float32)")
        self._array, self._node, self._leaf, self._own = a, None, None, True
        self.requires_grad = requires_grad

    @classmethod
    def of(cls, array: np.ndarray, node=None, leaf: Leaf | None = None) -> Tensor:
        """A Tensor around an array of the engine's own, not copied.  leaf: whose memory it views."""
        t = cls.__new__(cls)
        t._array, t._node, t._leaf, t._own = np.asarray(array), node, leaf, False
        return t

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to (leaf) or through (result of an op) this Tensor."""
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, wanted: bool):
        if not (self._node is None or isinstance(self._node, Leaf)):
            raise ValueError("requires_grad can be set on leaves only; this tensor is the result of "
                             "an operation: use .detach() for one without a history")
        if wanted and not self._own:            # .detach() and its like view another tensor's memory
            self._array, self._leaf, self._own = self._array.copy(), None, True
        if wanted and self._leaf is None:
            self._leaf = Leaf()
        self._node = self._leaf if wanted else None

    @property
    def data(self) -> np.ndarray:
        """The numbers, as a read-only view; assign to put a new array in place (leaves only)."""
        return sealed(self._array)

    @data.setter
    def data(self, new):
        if not (self._node is None or isinstance(self._node, Leaf)):
            raise ValueError("data: only leaves can be given a new array; this tensor was computed")
        new = np.asarray(new._array if isinstance(new, Tensor) else new)
        if new.shape != self.shape:
            raise ValueError(f"data: got shape {new.shape}, expected {self.shape}")
        if new.dtype.kind not in "iubf" + self.dtype.kind:
            raise TypeError(f"data: got {new.dtype}, expected numbers that fit {self.dtype}")
        self._array, self._own = new.astype(self.dtype), True

    def numpy(self) -> np.ndarray:
        """The numbers, as a read-only view: .copy() it for an array of your own."""
        return self.data

    @property
    def grad(self) -> np.ndarray | None:
        """∂L/∂(this leaf), summed over the backward passes since it was last None."""
        return self._node.grad if isinstance(self._node, Leaf) else None

    @grad.setter
    def grad(self, value):
        if value is None and not isinstance(self._node, Leaf):
            return                              # a frozen parameter has none to forget
        if not isinstance(self._node, Leaf):
            raise ValueError("grad: only a leaf with requires_grad=True has one")
        if value is not None:
            value = np.array(value, dtype=self.dtype)
            if value.shape != self.shape:
                raise ValueError(f"grad: got shape {value.shape}, expected {self.shape}")
        self._node.grad = value

    shape: tuple[int, ...] = property(lambda self: self._array.shape)
    ndim: int = property(lambda self: self._array.ndim)
    dtype: np.dtype = property(lambda self: self._array.dtype)
    size: int = property(lambda self: self._array.size)

    def backward(self, g: Any = None, retain_graph: bool = False) -> None:
        """Add ∂L/∂t into .grad of every leaf t behind this tensor, where g = ∂L/∂self.

        g may be left out for a single number (then g = 1).  The graph's saved arrays are released on
        the way, so a second pass is refused unless retain_graph=True.  Higher orders: sn.grad.
        """
        from .autograd import backward_steps    # here, because the walk is built on this class
        for _ in backward_steps(self, g, retain_graph=retain_graph):
            pass

    def detach(self) -> Tensor:
        """The same numbers as a constant: gradients stop here."""
        return Tensor.of(self._array, None, self._leaf)

    def item(self) -> float:
        """The single number inside, as a Python float."""
        if self.size != 1:
            raise ValueError(f"item: expected a single number, got shape {self.shape}")
        return self._array.item()

    def overwriting(self) -> np.ndarray:
        """The array itself, to write into in place as optimisers do; from now on, graphs that still need it refuse."""
        if self._leaf is not None:
            self._leaf.version += 1
        return self._array

    def convert(self, dtype) -> None:
        """Change a leaf's dtype (float32, float64); it stays the same Tensor to layers and optimisers."""
        if np.dtype(dtype) not in FLOATS[:2]:
            raise TypeError(f"convert: got {np.dtype(dtype)}, expected float32 or float64")
        if self._array.dtype != dtype:
            self._array = self._array.astype(dtype)
            if self._leaf is not None:
                self._leaf.grad = None

    def __repr__(self):
        body = np.array2string(self._array, separator=", ", prefix="Tensor(", threshold=60)
        tail = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({body}, dtype={self.dtype}{tail})"

    def __len__(self):
        if not self.ndim:
            raise TypeError("a 0-d tensor has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def __bool__(self):
        if self.size != 1:
            raise ValueError(f"a tensor of shape {self.shape} is neither true nor false; "
                             "compare with .any() or .all() of an array")
        return bool(self._array.item())

    def __float__(self):
        return float(self.item())

    def __setitem__(self, index, value):
        raise TypeError("tensors are not written in place; compute a new one (sn.where, "
                        "sn.concatenate) or, for a leaf, assign a new array to .data")

    def __array__(self, *args, **kwargs):
        raise TypeError("a NumPy function was given a Tensor, which would leave the graph in silence: "
                        "use the function of the same name in scratchnet, or t.numpy() for the array")

    def __array_function__(self, function, types, args, kwargs):
        raise TypeError(f"np.{function.__name__} was given a Tensor, which would leave the graph in "
                        f"silence: use sn.{function.__name__} if there is one, or t.numpy()")

    def __deepcopy__(self, memo):
        if not (self._node is None or isinstance(self._node, Leaf)):
            raise TypeError("only leaves can be deep-copied; use .detach() first")
        return Tensor(self._array, self.requires_grad)


def holds_tensors(value) -> bool:
    return isinstance(value, Tensor) or isinstance(value, (list, tuple)) and any(holds_tensors(v) for v in value)
