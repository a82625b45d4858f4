"""What is timed inside one process: whole steps, single convolutions, and the kernels against their references."""
from __future__ import annotations

from importlib.util import find_spec

import numpy as np

from . import nets
from .timing import Spread, alternate, spread

Table = tuple[list[str], list[list[str]]]       # headings, rows


def libraries(threads: int, *only: str) -> dict:
    """{name: function that builds a step} of the other libraries that are installed, set to `threads`."""
    found, wanted = {}, only or ("PyTorch", "Keras")
    if "PyTorch" in wanted and find_spec("torch"):
        import torch
        torch.set_num_threads(threads)
        found["PyTorch"] = nets.torch_step
    if "Keras" in wanted and find_spec("tensorflow"):
        from . import nets_keras
        nets_keras.set_threads(threads)
        found["Keras"] = nets_keras.keras_step
    return found


def ratio(seconds: dict, other: str) -> Spread:
    """Ours divided by the other's, pair by pair."""
    return spread(seconds["ours"] / seconds[other])


def ms(seconds) -> str:
    return f"{1000 * float(np.median(seconds)):.2f}"


def steps(threads: int, rounds: int, apart: int = 0) -> Table:
    """One training step, the mean of 0.2 s of them, batch 128: ours, the others', and ours with the NumPy references."""
    import scratchnet as sn
    others, rows = libraries(threads), []
    for name, title in nets.NAMES.items():
        makes = {"ours": nets.our_step, **others}
        several = [turns(makes, name, title, threads, -(-rounds // max(1, apart)), apart) for _ in range(max(1, apart))]
        seconds = {lib: np.concatenate([one[lib] for one in several]) for lib in makes}
        with sn.use_kernels("numpy"):
            plain = nets.our_step(name)
            plainly = alternate({"plain": plain.run}, min(rounds, 3), warm=1)["plain"]
        rows.append([title, f"{plain.parameters:,}", ms(seconds["ours"])])
        for lib in others:
            rows[-1] += [ms(seconds[lib]), str(ratio(seconds, lib))]
        rows[-1] += [ms(plainly)]
        print("   ", " | ".join(rows[-1]), flush=True)
    return ["training step", "parameters", "ours, ms", *compared(others), "ours in plain NumPy, ms"], rows


def turns(makes: dict, name: str, title: str, threads: int, rounds: int, apart: int) -> dict[str, np.ndarray]:
    """Seconds of each library's steps, taking turns; apart: each in a new process of its own."""
    from .processes import Worker
    built = {lib: Worker(lib, name, threads) if apart else make(name) for lib, make in makes.items()}
    sizes = {lib: step.parameters for lib, step in built.items()}
    assert len(set(sizes.values())) == 1, f"{title}: the networks differ: {sizes} parameters"
    seconds = alternate({lib: step if apart else step.run for lib, step in built.items()}, rounds, least=0.2,
                        pause=pause(threads))
    for worker in built.values() if apart else ():
        worker.close()
    return seconds


def compared(others) -> list[str]:
    return [text for lib in others for text in (f"{lib}, ms", f"ours / {lib}")]


def pause(threads: int) -> float:
    return 0.03 if threads > 1 else 0.0


def ops(threads: int, rounds: int) -> Table:
    """Each convolution alone, forward and backward, batch 128."""
    others, rows = libraries(threads, "PyTorch"), []
    for name, (row, shape, dx) in nets.convolutions().items():
        runs = {"ours": our_conv(row, shape, dx), **{lib: torch_conv(row, shape, dx) for lib in others}}
        seconds = alternate(runs, rounds, least=0.02, pause=pause(threads))
        rows.append([name, ms(seconds["ours"])])
        for lib in others:
            rows[-1] += [ms(seconds[lib]), str(ratio(seconds, lib))]
        print("   ", " | ".join(rows[-1]), flush=True)
    return ["convolution, forward + backward", "ours, ms", *compared(others)], rows


def our_conv(row: tuple, shape: tuple, dx: bool, batch: int = 128):
    import scratchnet as sn
    [layer] = nets.ours([row]).layers
    x = sn.Tensor(np.random.default_rng(0).random((batch, *shape), np.float32), requires_grad=dx)
    leaves, g = [x, layer.w, layer.b], np.ones(layer(x).shape, np.float32)

    def run():
        for t in leaves[not dx:]:
            t.grad = None
        layer(x).backward(g)
    return run


def torch_conv(row: tuple, shape: tuple, dx: bool, batch: int = 128):
    import torch
    [layer] = nets.theirs([row])
    x = torch.rand(batch, *shape, requires_grad=dx)
    leaves, g = [x, layer.weight, layer.bias], torch.ones_like(layer(x))

    def run():
        for t in leaves:
            t.grad = None
        layer(x).backward(g)
    return run


def kernels(threads: int, rounds: int) -> Table:
    """Each kernel with a fast version: the NumPy reference and the fast version at a typical shape."""
    from scratchnet.kernel import Kernel
    from .kernel_cases import CASES
    rows = []
    for name, one in Kernel.registry.items():
        if one.fast_version is None:
            continue
        if name not in CASES:
            rows.append([name, "no case in kernel_cases.py", "", "", ""])
            continue
        shape, arguments = CASES[name]
        runs = {"plain": lambda: one.reference(*arguments()), "ours": lambda: one(*arguments())}
        seconds = alternate(runs, min(rounds, 7), warm=1, pause=pause(threads))
        rows.append([name, shape, ms(seconds["plain"]), ms(seconds["ours"]), str(ratio(seconds, "plain"))])
        print("   ", " | ".join(rows[-1]), flush=True)
    return ["kernel", "shape", "NumPy, ms", "Numba, ms", "Numba / NumPy"], rows
