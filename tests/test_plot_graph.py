"""Pictures of graphs and of convolutions: what is folded and drawn, and that the geometry is the engine's."""
import numpy as np
import pytest

import scratchnet as sn
from scratchnet import plot
from scratchnet.autograd import toposort
from scratchnet.debug.layout import layout
from scratchnet.models.gan import GAN
from scratchnet.models.gan_losses import GradientPenalty, wasserstein
from scratchnet.models.vae import VAE
from scratchnet.plot_conv import axis_of, checkerboard
from scratchnet.plot_graph import describe, fold, repeated
from scratchnet.tensor import Leaf

from .test_examples import is_picture


def vae():
    rng = np.random.default_rng(0)
    return VAE(rng=0).loss(rng.random((2, 1, 28, 28)).astype(np.float32), rng=1).total


def wgan():
    gan, rng = GAN(8, rng=0), np.random.default_rng(0)
    real, fake, critic = gan.real(rng.random((2, 1, 28, 28)).astype(np.float32)), gan(gan.noise(2, rng)).detach(), gan.discriminator
    return wasserstein.discriminator(critic(real), critic(fake)) + GradientPenalty()(critic, real, fake, rng)


def recurrence(steps=150):
    w, h = sn.Tensor(np.ones((3, 3)), requires_grad=True), sn.Tensor(np.ones((2, 3), np.float64))
    for _ in range(steps):
        h = sn.tanh(h @ w)
    return (h * h).sum()


def branching(n=60):
    """Every result is used by the next two: no chain to fold, and circles to close."""
    a = b = sn.Tensor(np.ones(2), requires_grad=True)
    for _ in range(n):
        a, b = sn.tanh(a + b), sn.exp(a * 0.01)
    return (a + b).sum()


LOSSES = {"vae": vae, "wgan": wgan, "recurrence": recurrence, "branching": branching}


# ---- graphs -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", LOSSES)
def test_folding_keeps_every_op_once_and_closes_no_circle(name):
    loss = LOSSES[name]()
    order = toposort(loss._node)
    groups = fold(order, 30)
    ops = [node for node in order if not isinstance(node, Leaf)]
    assert sorted(map(id, ops)) == sorted(id(n) for members in groups.values() for n in members)
    assert len(groups) <= 30
    of = {node: g for g, members in groups.items() for node in members}
    behind, done = {g: {of[e.node] for n in members for e in n.edges if e.node in of} - {g} for g, members in groups.items()}, set()
    while len(done) < len(groups):                             # groups whose sources are all done: none left means a circle
        ready = [g for g in groups if g not in done and behind[g] <= done]
        assert ready, "groups wait for each other"
        done.update(ready)


def test_the_layout_puts_everything_before_its_uses_and_nothing_on_top_of_another():
    for make in LOSSES.values():
        order = toposort(make()._node)
        at = layout(order, {n: [e.node for e in n.edges] for n in order}, lambda n: isinstance(n, Leaf))
        assert len(set(at.values())) == len(order)
        assert all(at[edge.node][0] < at[node][0] for node in order for edge in node.edges)
        assert at[order[0]][0] == max(column for column, _ in at.values())


def test_boxes_say_what_is_in_them():
    loss = recurrence(40)
    order = toposort(loss._node)
    shapes = {loss._node: (), **{e.node: e.shape for n in order for e in n.edges}}
    texts = [describe(members, {}, shapes, False) for members in fold(order, 10).values()]
    assert any(b.text == "40 × (product → tanh)" and b.detail == "(2, 3)   leaf (3, 3)" for b in texts), texts
    assert repeated(["relu"] * 3) == "3 × relu" and repeated(list("abcdefg")) == "a → b → … 4 more … → g"
    assert repeated(["conv2d", "relu"]) == "conv2d → relu"


@pytest.mark.parametrize("name", ["wgan", "branching"])
def test_a_graph_is_drawn(name, tmp_path):
    assert is_picture(plot.graph(LOSSES[name](), tmp_path / "graph.png", title=name))
    assert [p.name for p in tmp_path.iterdir()] == ["graph.png"]


@pytest.mark.parametrize("loss, error, words", [
    (np.ones(2), TypeError, "loss is a ndarray"), (sn.Tensor([1.0]), ValueError, "there is no graph behind this tensor"),
    (sn.Tensor([1.0], requires_grad=True), ValueError, "there is no graph behind this tensor")])
def test_what_has_no_graph_is_refused_in_words(loss, error, words, tmp_path):
    with pytest.raises(error, match=words):
        plot.graph(loss, tmp_path / "graph.png")


# ---- convolutions -----------------------------------------------------------------------------------

SETTINGS = [(7, 3, 1, 0, 1, 0), (8, 3, 2, 1, 1, 1), (9, 4, 2, 1, 1, 0), (10, 2, 3, 0, 2, 2), (6, 5, 2, 2, 1, 1), (5, 1, 1, 0, 1, 0), (11, 3, 3, 1, 2, 0)]


@pytest.mark.parametrize("size, kernel, s, p, d, op", SETTINGS)
def test_the_pairs_are_those_of_the_engine(size, kernel, s, p, d, op):
    """One-hot inputs through the real convolutions: output i moves with input u exactly where a line is drawn."""
    taps = np.arange(1.0, kernel + 1).reshape(1, 1, kernel, 1)
    for transposed in (False, True):
        axis = axis_of(size, kernel, s, p, d, op if transposed else 0, transposed)
        settings = dict(stride=(s, 1), padding=(p, 0), dilation=(d, 1))
        touched = np.zeros((axis.small, axis.large))
        for i, k, u in axis.feeds:
            touched[i, u] += k + 1
        eye = np.eye(size).reshape(size, 1, size, 1)
        y = sn.conv_transpose2d(eye, taps, output_padding=(op, 0), **settings) if transposed else sn.conv2d(eye, taps, **settings)
        np.testing.assert_array_equal(y[:, 0, :, 0], touched if transposed else touched.T)


@pytest.mark.parametrize("size, kernel, s, p, d, op", SETTINGS)
def test_the_checkerboard_warning_is_right(size, kernel, s, p, d, op):
    """Away from the borders the number of terms is the same everywhere, or there is a warning."""
    axis = axis_of(30, kernel, s, p, d, 0, True)
    counts = np.bincount([u for _, _, u in axis.feeds], minlength=axis.large)[d * kernel:-d * kernel]
    note = checkerboard(axis, (30, kernel, s, p, d, 0), True)
    assert (counts.min() < counts.max()) == bool(note)
    if note:
        assert f"{counts.min()} or {counts.max()} terms" in note
        for better in (word for word in note.replace(";", " ").split("a kernel of")[-1].split() if word.isdigit()):
            assert not checkerboard(axis_of(30, int(better), s, 0, d, 0, True), (30, int(better), s, 0, d, 0), True)


def test_geometry_is_drawn_and_warns(tmp_path):
    with pytest.warns(UserWarning, match="checkerboard: stride 2 does not divide kernel 3, so an output is the sum of 1 or 2 terms.* 2 or 4"):
        assert is_picture(plot.conv_geometry(7, 3, tmp_path / "t.png", stride=2, padding=1, output_padding=1, transposed=True))
    with pytest.warns(UserWarning, match="in backward, an entry of the image's gradient"):
        plot.conv_geometry(7, 3, tmp_path / "c.png", stride=2)
    with pytest.warns(UserWarning, match="stride 2 and dilation 2 have a common factor"):
        plot.conv_geometry(7, 2, tmp_path / "d.png", stride=2, dilation=2)
    plot.conv_geometry((8, 9), (4, 3), tmp_path / "even.png", stride=(2, 3), padding=1)
    plot.conv_geometry(5, 3, tmp_path / "same.png", padding=1, title="Same size", caption="a caption")
    assert all(is_picture(p) for p in tmp_path.iterdir()) and len(list(tmp_path.iterdir())) == 5


@pytest.mark.parametrize("arguments, words", [
    (dict(size=3, kernel=5), "leave no output: the filter spans 5 of 3"),
    (dict(size=7, kernel=3, output_padding=1), "output_padding is a setting of transposed convolutions"),
    (dict(size=7, kernel=3, stride=2, output_padding=2, transposed=True), "expected 0 ≤ output_padding < stride 2"),
    (dict(size=1, kernel=2, padding=1, transposed=True), "nothing after cropping the padding"),
    (dict(size=100, kernel=3), "100 entries on one axis, expected at most 40"),
    (dict(size=7.5, kernel=3), "size is 7.5, expected an int or a pair of ints"),
    (dict(size=7, kernel=3, stride=0), "stride is 0, expected at least 1")])
def test_impossible_geometry_is_refused_in_words(arguments, words, tmp_path):
    with pytest.raises(ValueError, match=words):
        plot.conv_geometry(path=tmp_path / "page.png", **arguments)
