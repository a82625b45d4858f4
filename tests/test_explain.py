"""explain: the terms of a gradient's entry sum to it at every level, and name their factors."""
import gc

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.autograd import Step
from scratchnet.debug.terms import by_trial, factors
from scratchnet.models.vae import VAE

from .conftest import for_all, size
from .op_cases import TABLE, cases, name_of


@pytest.fixture(scope="module")
def vae():
    rng = np.random.default_rng(0)
    model = VAE(rng=0).astype(np.float64)
    return model, model.loss(rng.random((4, 1, 28, 28)), rng.standard_normal((4, 2))).total


def size_of(entry) -> float:
    return max(abs(entry.value), float(np.abs(entry.values).sum()))


@pytest.mark.parametrize("name", ["encoder.layers.0.w", "encoder.layers.2.b", "encoder.layers.5.w", "mu.w", "logvar.b",
                                  "decoder.layers.3.w", "decoder.layers.7.w", "decoder.layers.7.b"])
def test_the_terms_sum_to_the_gradient_down_to_the_loss(vae, name):
    model, loss = vae
    p, rng = dict(model.named_parameters())[name], np.random.default_rng(1)
    expected = sn.grad(loss, p, retain_graph=True).numpy()
    index = tuple(int(i) for i in np.unravel_index(np.argmax(np.abs(expected)), p.shape))
    entry, depth = sn.explain(p, index, loss), 0
    assert entry.value == expected[index]
    while len(entry):
        assert abs(sum(term.value for term in entry[:200]) + entry.values[200:].sum() - entry.value) <= 1e-12 * max(1, size_of(entry))
        assert (np.diff(np.abs(entry.values)) <= 0).all(), "largest first"
        term = entry[int(rng.integers(min(len(entry), 5)))]
        assert term.value == term.g * term.factor
        opened = term.open()
        assert opened.value == term.g, "a term opens into the gradient that it is a multiple of"
        entry, depth = opened, depth + 1
    assert depth >= 5 and entry.value == 1, "the way ends at the loss, where the gradient is 1"


def test_convolution_and_dense_name_their_factors(vae):
    model, loss = vae
    entry = sn.explain(model.mu.w, (1, 0), loss)
    for term in entry[:3]:
        n, m = term.index
        assert term.factor_name == f"x[{n}, 1]" and m == 0
    entry = sn.explain(model.encoder[2].w, (3, 4, 0, 2), loss)             # stride 2, padding 1
    for term in entry[:5]:
        n, f, i, j = term.index
        assert f == 3 and term.factor_name == f"x[{n}, 4, {2 * i + 0 - 1}, {2 * j + 2 - 1}]"
    behind = entry.open(0).open(0).open(0)                                 # behind relu and reshape: the dense layer
    assert all(term.factor_name.startswith("w[") for term in behind[:5])


def test_terms_agree_with_trying_every_entry_of_g():
    """The same factors by the definition: the rule run on g = 1 at one place, 0 elsewhere."""
    rng = np.random.default_rng(0)
    x, w = (sn.Tensor(rng.standard_normal(s), requires_grad=True) for s in ((2, 2, 4, 4), (3, 2, 3, 3)))
    loss = (sn.softmax(sn.max_pool2d(sn.conv2d(x, w, padding=1), 2), axis=1) * rng.standard_normal((2, 3, 2, 2))).sum()
    for step in sn.backward_steps(loss, retain_graph=True):
        rule = step.node.op.rule(step.name)
        read = step.node.op.restore(step.node, rule.reads, False)      # no rule here reads its position
        index = tuple(rng.integers(n) for n in step.out.shape)
        np.testing.assert_allclose(factors(step, read, index), by_trial(rule.function, step.g, read, index), atol=1e-14)


@pytest.mark.parametrize("function", list(TABLE), ids=name_of)
def test_the_terms_of_every_op_sum_to_what_its_rules_return(function):
    def check(case):
        xs = [sn.Tensor(a, requires_grad=True) for a in case.arrays()]
        y, rng = case.call(xs), np.random.default_rng(0)
        loss = (y * rng.standard_normal(y.shape)).sum()
        for x in xs:
            if x.size:
                entry = sn.explain(x, tuple(int(rng.integers(n)) for n in x.shape), loss)
                assert abs(entry.total - entry.value) <= 1e-12 * max(1, size_of(entry)), case
                for term in entry[:2]:
                    assert term.open().value == term.g
    for_all(cases(function, "distinct"), check, size(1, 20))


def test_without_a_loss_the_way_back_is_remembered_but_nothing_is_kept_alive():
    w = sn.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    with pytest.raises(RuntimeError, match="no variable holds a loss"):
        sn.explain(w, 0)
    kept = {"loss": (w * w).sum()}
    kept["loss"].backward(retain_graph=True)
    assert sn.explain(w, 1).value == 4 == w.grad[1]
    kept["loss"].backward()
    with pytest.raises(RuntimeError, match=r"released the graph; name the loss, before its backward\(\)"):
        sn.explain(w, 1)
    kept["loss"] = (w * w).sum()
    kept["loss"].backward(retain_graph=True)
    gc.disable()
    try:
        kept.clear()                                           # by reference count alone
        assert w._node.loss() is None
    finally:
        gc.enable()
    with pytest.raises(RuntimeError, match="no variable holds a loss"):
        sn.explain(w, 1)


def test_without_a_loss_the_one_in_a_variable_is_meant():
    w = sn.Tensor(np.array([1.0, 2.0]), requires_grad=True)
    rest = (w * 3.0).sum()
    total = (w * w).sum() + rest                               # rest is behind total: total is the end
    assert sn.explain(w, 1).value == 7 and total.item() == 14

    def inside():
        return sn.explain(w, 0).value                          # its own frame has none: its caller's has
    assert inside() == 5
    other = w.sum()
    with pytest.raises(RuntimeError, match="2 losses were computed from w"):
        sn.explain(w, 0)
    assert sn.explain(w, 0, other).value == 1


def test_an_answer_can_be_opened_after_backward_has_released_the_graph():
    w = sn.Tensor(np.array([3.0]), requires_grad=True)
    loss = (w * w).sum()
    entry = sn.explain(w, 0, loss)
    loss.backward()
    assert entry[0].factor_name and entry.open(0).open(0).value == 1


def test_uses_add_up_and_no_grad_is_touched():
    w = sn.Tensor(np.array([3.0]), requires_grad=True)
    entry = sn.explain(w, 0, (w * w * 2.0 + w).sum())
    assert entry.value == 13 and sorted(t.value for t in entry) == [1, 6, 6] and w.grad is None
    h = w * 2.0                                                # intermediate values have gradients too
    assert sn.explain(h, (0,), (h * h).sum()).value == 12


def test_zeros_are_counted_not_listed_and_the_page_says_what_is_behind():
    x = sn.Tensor(np.array([-1.0, 2.0]), requires_grad=True)
    y = sn.relu(x)
    loss = (y * np.array([5.0, 7.0])).sum()
    text = repr(sn.explain(x, 1, loss))
    assert "∂L/∂x[1] = +7" in text and "relu_dx(g, y)" in text and "y = sn.relu(x)" not in text.splitlines()[0]
    assert "every product g × factor is 0: the factors are" in repr(sn.explain(x, 0, loss))
    assert "this is the loss" in repr(sn.explain(x, 1, loss).open(0).open(0).open(0))


def test_a_learners_rule_in_plain_numpy_is_explained_by_trial():
    @sn.op
    def halves(x): return x / 2
    @halves.vjp("x")
    def halves_dx(g): return np.asarray(g.numpy() if isinstance(g, sn.Tensor) else g) / 2
    x = sn.Tensor(np.arange(3.0), requires_grad=True)
    entry = sn.explain(x, 2, (halves(x) * np.array([1.0, 2.0, 3.0])).sum())
    assert [t.value for t in entry] == [1.5] and entry.value == 1.5


def test_a_factor_that_only_resembles_an_entry_gets_no_name():
    """⌊x⌋ is x where x is whole, as in the numberings by which names are found."""
    @sn.op
    def stairs(x): return np.floor(x) * x
    @stairs.vjp("x")
    def stairs_dx(g, x): return np.asarray(g.numpy() if isinstance(g, sn.Tensor) else g) * np.floor(x)
    for numbers, name in (([2.0, 3.0], "x[1]"), ([2.0, 3.5], "")):
        x = sn.Tensor(np.array(numbers), requires_grad=True)
        assert sn.explain(x, 1, stairs(x).sum())[0].factor_name == name


def test_a_rule_that_is_not_linear_in_g_is_told():
    @sn.op
    def bent(x): return x + 0.0
    @bent.vjp("x")
    def bent_dx(g): return g * g
    x = sn.Tensor(np.ones(1), requires_grad=True)
    assert "a rule here is not linear in g" in repr(sn.explain(x, 0, (bent(x) * 3.0).sum()))


@pytest.mark.parametrize("arguments, error, words", [
    (lambda w, loss: (np.ones(2), 0, loss), TypeError, "w is a ndarray, expected the Tensor"),
    (lambda w, loss: (sn.Tensor([1.0]), 0, loss), ValueError, "w has requires_grad=False"),
    (lambda w, loss: (w, (0, 0, 0), loss), ValueError, r"shape \(2, 3\), expected one entry: 2 integers"),
    (lambda w, loss: (w, (0, 3), loss), ValueError, "each within its axis, such as"),
    (lambda w, loss: (w, (0, slice(2)), loss), ValueError, "expected one entry"),
    (lambda w, loss: (w, (0, 0), 3.0), TypeError, "loss is a float, expected a Tensor"),
    (lambda w, loss: (w, (0, 0), sn.Tensor(1.0, requires_grad=True) * 2.0), ValueError, "no path leads from this loss to w")])
def test_questions_without_an_answer_are_refused_in_words(arguments, error, words):
    w = sn.Tensor(np.ones((2, 3)), requires_grad=True)
    with pytest.raises(error, match=words):
        sn.explain(*arguments(w, (w * w).sum()))


def test_negative_indices_count_from_the_end():
    w = sn.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    assert sn.explain(w, (-1, -1), (w * w).sum()).value == 10 and isinstance(sn.explain(w, (1, 2), (w * w).sum())[0].step, Step)
