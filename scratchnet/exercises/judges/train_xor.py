"""The losses of the first steps against ours, and those of known slips; then a whole training."""
import numpy as np

from ..exercise import wrong
from ..judging import require, values

STEPS = 6


def losses(step, right, lr=0.1, seed=0):
    """The loss before each of the first steps, with the targets of XOR."""
    model = right.network(np.random.default_rng(seed))
    return [step(model, right.X, right.T, lr) for _ in range(STEPS)]


def slipped(slip):
    def step(model, x, t, lr):
        for p in model.parameters():
            if slip != "no reset":
                p.grad = None
        loss = ((model(x) - t) ** 2).sum() / (1 if slip == "no mean" else len(x))
        loss.backward()
        for n, p in enumerate(model.parameters()):
            if not (slip == "one" and n):
                p.data = p.data - {"uphill": -lr, "no lr": 1.0}.get(slip, lr) * p.grad
        return loss.item()
    return step


SLIPS = (
    ("no reset", "ACCUMULATES", "from the second step on, the gradients of all steps before are still in .grad"),
    ("uphill", "STEP uphill", "every step goes up the slope: the loss grows; the minus is missing"),
    ("no lr", "STEP lr", "the learning rate is not used"),
    ("no mean", "RATIO N", "the loss is the sum over the examples, and so are the gradients: divide by N = len(x)"),
    ("one", "STEP one", "only the first parameter is moved"),
)


def judge(answer, right):
    def steps(step): return lambda lr, seed: losses(step, right, lr, seed)
    values("loss", steps(answer.train_step), steps(right.train_step), [(0.1, 0), (0.03, 1), (0.2, 2)],
           *((code, steps(slipped(slip)), text) for slip, code, text in SLIPS), tol=1e-4)
    model = right.network(np.random.default_rng(3))
    for _ in range(400):
        loss = answer.train_step(model, right.X, right.T, 0.2)
    require(loss < 1e-2, "loss", "STEP", f"after 400 steps the loss is {loss:.3g}, expected below 0.01")


HINTS = ("four things happen in a step: forget, loss, backward, move; the order matters",
         "two loops over model.parameters(), one before the loss and one after loss.backward()",
         "forget: p.grad = None; loss: ((model(x) - t) ** 2).sum() / len(x); move: p.data = p.data minus lr times "
         "p.grad")

BACKGROUND = """
That gradients are added and not replaced is on purpose: a batch too large for memory is run in parts, and their
gradients add up.  The price is that every training loop must forget them; doing so in the wrong place is one of the
most reported mistakes of all.  scratchnet/optim.py has this step as SGD, and others that move more cleverly.
"""

WRONG = (
    wrong("gradients never forgotten", "        p.grad = None\n", "        pass\n", "loss ACCUMULATES"),
    wrong("up the slope", "p.data - lr * p.grad", "p.data + lr * p.grad", "loss STEP:uphill"),
    wrong("learning rate forgotten", "p.data - lr * p.grad", "p.data - p.grad", "loss STEP:lr"),
    wrong("only the first parameter", "        p.data = p.data - lr * p.grad\n",
          "        p.data = p.data - lr * p.grad\n        break\n", "loss STEP:one"),
    wrong("forgotten after backward", "    loss.backward()\n",
          "    loss.backward()\n    for p in model.parameters():\n        p.grad = None\n", "* ERROR"),
    wrong("mean over entries that are not there", "/ len(x)", "", "loss RATIO:N"),
)
