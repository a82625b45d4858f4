"""check_model, node by node, and the distribution checks."""
import numpy as np
import pytest

import scratchnet as sn
from scratchnet.layers import Dense, Layer, ReLU, Sequential, Tanh

rng = np.random.default_rng(0)


def net():
    return Sequential(Dense(4, 5, rng=0), Tanh(), Dense(5, 6, rng=1), ReLU(), Dense(6, 3, rng=2))


def loss(model, x, labels): return sn.cross_entropy(model(x), labels)


BATCH = rng.standard_normal((5, 4)).astype(np.float32), rng.integers(0, 3, 5)


def blamed(**replaced):
    """What check_model says with a rule replaced: (target, key) of every finding."""
    (name, rule), = replaced.items()
    op, argument = name.split("_")
    with sn.replaced(getattr(sn, op), argument, rule), pytest.raises(sn.GradientError) as e:
        sn.check_model(net(), loss, BATCH)
    return [(f.target, f.key) for f in e.value.findings], e.value


def test_every_parameter_is_right_and_the_model_left_as_it_was():
    model = net()
    before = {k: v.tobytes() for k, v in model.state().items()}
    report = sn.check_model(model, loss, BATCH, overfits=True, chance_loss=np.log(3))
    assert report.right and [r.verdict for r in report.rows] == ["right"] * 6 and max(r.error for r in report.rows) < 1e-9
    assert list(report.verdicts) == ["same loss on both kernel sets", "loss at chance", "overfits five samples"]
    assert {k: v.tobytes() for k, v in model.state().items()} == before and model.layers[0].w.dtype == np.float32
    assert all(p.grad is None for p in model.parameters())
    assert "layers.0.w" in str(report) and "every entry" in str(report)


@pytest.mark.parametrize("name, rule, target, key", [
    ("tanh_x", lambda g, y: g * (1 - y), "tanh.x", "FACTOR:missing 1+y"),
    ("relu_x", lambda g, y: g + 0 * y, "relu.x", "IDENTITY"),
    ("relu_x", lambda g, y: 2 * g * (y > 0), "relu.x", "RATIO:2"),
])
def test_exactly_the_wrong_rule_is_blamed(name, rule, target, key):
    found, error = blamed(**{name: rule})
    assert [(target, key)] == [(t, k.split(" or ")[0]) for t, k in found]
    assert any(row.verdict == "WRONG" for row in error.report.rows)
    assert error.findings[0].where.startswith(f"the rule of {name.split('_')[0]} for {name.split('_')[1]}, called at ")


def test_rules_that_raise_or_do_not_fit_are_blamed_as_well():
    assert blamed(tanh_x=lambda g, y: g[0])[0][0][0] == "tanh.x"
    assert blamed(tanh_x=lambda g, y: 1 / 0)[0] == [("tanh.x", "CRASH:ZeroDivisionError")]
    assert blamed(tanh_x=lambda g, y: None)[0] == [("tanh.x", "NO_GRAD")]


def test_a_parameter_that_is_never_reached_is_said():
    class Forgetful(Layer):
        def __init__(self): self.used, self.unused = Dense(4, 3, rng=0), Dense(4, 3, rng=1)
        def forward(self, x): return self.used(x)
    report = sn.check_model(Forgetful(), loss, BATCH)
    assert "unused.w is never reached: the loss does not depend on it" in report.notes


def test_what_leaves_the_graph_is_wrong_though_every_rule_is_right():
    def detached(model, x, labels):
        h = sn.tanh(model.layers[0](x))
        return sn.mean(h * h.detach())
    with pytest.raises(sn.GradientError, match="outside the graph"):
        sn.check_model(net(), detached, BATCH)


def test_a_loss_that_is_not_one_number_is_refused():
    with pytest.raises(TypeError, match=r"returned shape \(5, 3\), expected one number"):
        sn.check_model(net(), lambda model, x, labels: model(x), BATCH)


def test_questions_are_answered_no():
    report = sn.check_model(net(), lambda m, x, y: 30.0 * loss(m, x, y), BATCH, chance_loss=np.log(3))
    assert report.verdicts["loss at chance"].startswith("no: ") and not report.right

# ---- distributions --------------------------------------------------------------------------------


def sampler(scale): return lambda n, rng: 1.0 + scale * rng.standard_normal((n, 2))


LOGVAR = np.array([1.0, -1.0])


def test_samplers():
    assert sn.check_sampler(sampler(np.exp(0.5 * LOGVAR)), 1.0, np.exp(LOGVAR)) < 5
    for scale, words in ((np.exp(LOGVAR), "as if e.logvar were the standard deviation"), (np.ones(2), "the noise itself"),
                         (np.exp(-0.5 * LOGVAR), "the sign of logvar is wrong"), (np.zeros(2), "the noise was forgotten")):
        with pytest.raises(sn.GradientError, match=words):
            sn.check_sampler(sampler(scale), 1.0, np.exp(LOGVAR))
    with pytest.raises(sn.GradientError, match="standard errors away"):
        sn.check_sampler(sampler(np.ones(2)), 1.1, np.ones(2))
    with pytest.raises(sn.GradientError, match=r"returned shape"):
        sn.check_sampler(lambda n, rng: rng.standard_normal(n), np.zeros(2), np.ones(2))


def test_closed_form_kl_against_samples():
    mu, logvar = np.array([0.5, -1.0]), np.array([0.3, -0.7])
    kl = sn.gaussian_kl(mu[None], logvar[None]).item()

    def log_q(z): return (-0.5 * (z - mu) ** 2 / np.exp(logvar) - 0.5 * logvar).sum(axis=1)
    def log_p(z): return (-0.5 * z ** 2).sum(axis=1)
    def draw(n, rng): return mu + np.exp(0.5 * logvar) * rng.standard_normal((n, 2))
    assert sn.check_kl(kl, log_q, log_p, draw) < 5
    for factor, words in ((-1, "-1 times"), (2, "2 times"), (0.5, "1/2 times")):
        with pytest.raises(sn.GradientError, match=f"it is {words} the right one"):
            sn.check_kl(factor * kl, log_q, log_p, draw)
