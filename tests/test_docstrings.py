"""What the public names say of themselves: formula, Shapes, Errors and Source, with the Shapes executed.

Ops and layers are in test_docs.py.  A section that a name does without is in ABSENT, with the reason in a word.
"""
import inspect
import re

import numpy as np
import pytest

import scratchnet as sn
from scratchnet.models import dec, ema, gan_losses, gan_networks

SECTIONS = ("Formula", "Shapes", "Errors", "Source")
GROUPS = (sn.optim, sn.init, sn.models, sn.metrics, sn.check, sn.data)
M = sn.models
PARTS = (M.vae.sample, M.vae.train_step, M.autoencoder.corrupt, M.autoencoder.train_step, M.classifier.train_step,
         M.gan.discriminator_step, M.gan.generator_step, M.gan.train_step, gan_losses.R1, gan_losses.GradientPenalty,
         dec.DEC, dec.log_assignment, dec.target, dec.train_step, ema.Average)      # used as sn.models.gan.train_step
C = sn.metrics.clustering
CLUSTERINGS = (C.confusion, C.accuracy, C.purity, C.nmi, C.ari, C.silhouette, C.agreement)
ABSENT = {"Optimiser": {"Source": "base"}, "warm_up": {"Shapes": "numbers"}, "one_cycle": {"Shapes": "numbers"},
          "normal": {"Source": "definition"}, "topology": {"Source": "table"},
          "agreement": {"Formula": "theirs"}, "class_shares": {"Source": "count"}, "trained_reader": {"Source": "ours"},
          "features": {"Source": "ours"}, "slope": {"Shapes": "numbers", "Errors": "none"},
          "batches": {"Source": "definition"}, "data.load": {"Formula": "file"},
          "storage.load": {"Formula": "file", "Shapes": "file"}, "save": {"Formula": "file", "Shapes": "file"},
          "draw_digits": {"Formula": "drawing"}, "read_idx": {"Formula": "file"},
          "available": dict.fromkeys(("Formula", "Shapes", "Source"), "file"),
          "choose": dict.fromkeys(("Formula", "Shapes", "Source"), "file"),
          **dict.fromkeys(("Quality", "Finding", "Passed", "ModelReport", "Slope"), dict.fromkeys(SECTIONS, "record")),
          **dict.fromkeys(("GradientError", "DataFileError"), dict.fromkeys(SECTIONS, "error"))}


def public(part) -> dict:
    """The classes and documented functions that the group defines, as docs/generate.py lists them."""
    return {n: v for n, v in vars(part).items() if n[0] != "_" and callable(v)
            and getattr(v, "__module__", "").startswith(part.__name__) and (inspect.isclass(v) or v.__doc__)}


NAMES = [pytest.param(thing, id=name) for part in GROUPS for name, thing in public(part).items()]
NAMES += [pytest.param(thing, id=f"{thing.__module__.removeprefix('scratchnet.')}.{thing.__name__}")
          for thing in PARTS + CLUSTERINGS + (sn.save, sn.load)]


def section(thing, name: str) -> str:
    """The text of a section, in one line; the formula is a line with an =, ←, ~ or ≤ between spaces."""
    doc = inspect.cleandoc(thing.__doc__ or "")
    if name == "Formula":
        before = re.split(r"^(?:Shapes|Errors|Source)  ", doc, maxsplit=1, flags=re.M)[0]
        return " ".join(re.findall(r".* [=←~≤] .*", before))
    ends = rf"(?:^|   )(?:{'|'.join(SECTIONS)}|Units|Returns)\b|^\S|\Z"
    found = re.search(rf"(?:^|   )(?:\w+, )?{name}(?:, \w+)?:?\s+(.*?)(?={ends})", doc, re.S | re.M)
    return " ".join(found[1].split()) if found else ""


@pytest.mark.parametrize("thing", NAMES)
def test_every_public_name_has_its_sections(thing):
    assert thing.__doc__, f"{thing.__name__} says nothing of itself"
    missing = {s for s in SECTIONS if not section(thing, s)}
    name, part = thing.__name__, thing.__module__.split(".")[1]             # there are sn.load and sn.data.load
    excused = ABSENT.get(name) or ABSENT.get(f"{part}.{name}", {})
    assert missing == set(excused), f"{name} lacks {missing}, of which {excused or 'nothing'} is excused"


@pytest.mark.parametrize("kind", [sn.optim.SGD, sn.optim.RMSProp, sn.optim.Adam, sn.optim.AdamW])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4, 5)], ids=str)
def test_the_shapes_of_every_optimiser_are_executed(kind, shape):
    names = re.match(r"θ, g, (.*) of one shape, any", section(kind, "Shapes"))[1]
    p = sn.Tensor(np.ones(shape, np.float32), requires_grad=True)
    optimiser = kind([p], lr=0.1)
    (p * p).sum().backward()
    optimiser.step()
    assert tuple(names.split(", ")) == kind.slots and p.shape == p.grad.shape == shape
    assert all(optimiser.memory[slot][0].shape == shape for slot in kind.slots)


@pytest.mark.parametrize("f", public(sn.init).values(), ids=lambda f: f.__name__)
def test_the_shapes_of_first_weights_are_executed(f):
    sizes = dict(D=3, M=4, F=5, C=2, K=6, L=7)
    stated = re.findall(r"(\([^)]*\)) → (\([^)]*\))", section(f, "Shapes"))
    assert len(stated) == 2
    for given, result in stated:
        y = f(eval(given, {}, sizes), *([0.1] if f is sn.init.normal else []))
        assert (y.shape if isinstance(y, np.ndarray) else y) == eval(result, {}, sizes)


def executed(thing, does, sizes: dict) -> int:
    """Run every "name: x (N,D) → (N,k)" of the Shapes on arrays of these shapes; how many there were.

    does: the object whose methods the names are, or the function that has none.  A result that is named is the
    attribute of what comes back, if it has one of this name: cluster_centers_ (k,D), total ().
    """
    rng, stated = np.random.default_rng(0), re.findall(
        r"(?:(\w+): )?((?:\w+ \([^)]*\)[^→;]*?)) → ((?:\w* ?\([^)]*\)(?:, )?)+)", section(thing, "Shapes"))
    for method, given, result in stated:
        arrays = [made(name, eval(shape, {}, sizes), rng) for name, shape in re.findall(r"(\w+) (\([^)]*\))", given)]
        y = (getattr(does, method) if method else does)(*arrays)
        found = re.findall(r"(\w*) ?(\([^)]*\))", result)
        for (name, shape), value in zip(found, y if isinstance(y, tuple) else [y] * len(found), strict=True):
            value = getattr(y, name, value)
            got = value.shape if isinstance(value, sn.Tensor) else np.shape(value)
            assert got == eval(shape, {}, sizes), f"{thing.__name__}.{method}: {name} {got}, stated {shape}"
    assert len(stated) == section(thing, "Shapes").count("→"), f"{thing.__name__}: not every → can be read"
    return len(stated)


def made(name: str, shape: tuple, rng) -> np.ndarray:
    """Numbers in [0, 1], in float32; of labels whole ones, of shares rows that sum to 1."""
    if name.endswith("labels") or name == "clusters":
        return np.arange(shape[0]) % 3
    x = rng.random(shape, np.float32)
    return x / x.sum(axis=1, keepdims=True) if name in ("p", "q", "probabilities") else x


def sgd(model):
    return sn.optim.SGD(model.parameters(), lr=1e-3)


def ran_models():
    """(what states the shapes, what has them, the sizes it was made with)"""
    vae, auto, net = M.VAE(3, rng=0), M.Autoencoder(3, "dense", rng=0), M.Classifier(5, rng=0)
    gan = M.GAN(3, gan_networks.dense, rng=0)
    deep = dec.DEC(auto.encoder, np.ones((2, 3), np.float32))
    player, expert = sgd(gan.generator), sgd(gan.discriminator)
    tensors = sn.Tensor
    return [(M.VAE, vae, dict(latent=3)), (M.Autoencoder, auto, dict(latent=3)), (M.Classifier, net, dict(classes=5)),
            (M.GAN, gan, dict(latent=3)), (M.KMeans, M.KMeans(2, seed=0), dict(k=2)), (M.PCA, M.PCA(2), dict(k=2)),
            (M.vae.sample, lambda mu, logvar, eps: M.vae.sample(tensors(mu), tensors(logvar), eps), {}),
            (M.vae.train_step, lambda x: M.vae.train_step(vae, sgd(vae), x), {}),
            (M.autoencoder.corrupt, lambda x: M.autoencoder.corrupt(x, "mask", 0.5, 0), {}),
            (M.autoencoder.train_step, lambda x: M.autoencoder.train_step(auto, sgd(auto), x), {}),
            (M.classifier.train_step, lambda x, t: M.classifier.train_step(net, sgd(net), x, t), {}),
            (M.gan.discriminator_step, lambda *both: M.gan.discriminator_step(gan, expert, *map(tensors, both)), {}),
            (M.gan.generator_step, lambda x: M.gan.generator_step(gan, player, gan(gan.noise(len(x), 0))), {}),
            (M.gan.train_step, lambda x: M.gan.train_step(gan, (player, expert), x, rng=0), {}),
            (gan_losses.R1, lambda *both: gan_losses.R1()(gan.discriminator, *map(tensors, both)), {}),
            (gan_losses.GradientPenalty,
             lambda *both: gan_losses.GradientPenalty()(gan.discriminator, *map(tensors, both), 0), {}),
            (dec.DEC, deep, dict(k=2)), (dec.log_assignment, dec.log_assignment, {}), (dec.target, dec.target, {}),
            (dec.train_step, lambda x, p: dec.train_step(deep, sgd(deep), x, p), {})]


def test_the_shapes_of_every_model_are_executed():
    ran = ran_models()
    for thing, does, sizes in ran:
        assert executed(thing, does, {**dict(N=6, D=4, k=2), **sizes}), f"{thing.__name__}: no Shapes to execute"
    without = {M.topology, ema.Average}                        # shapes are those of the network they are given
    assert {thing for thing, *_ in ran} | without == {*public(M).values(), *PARTS}


def test_the_shapes_of_every_metric_are_executed():
    net, sizes = M.Classifier(rng=0), dict(N=8, M=7, D=4, k=2, C=3, clusters=3, classes=3, count=5)
    m = sn.metrics
    alone = (*CLUSTERINGS[:-1], C.matching, m.class_shares, m.frechet_distance, m.inception_score, m.overlap)
    ran = {**{f: f for f in alone}, m.nearest: lambda queries, rows: m.nearest(queries, rows, 2),
           m.neighbour_accuracy: lambda *a: m.neighbour_accuracy(*a, k=2),
           m.gaps: lambda codes: m.gaps(codes, 5, np.random.default_rng(0)), m.features: lambda x: m.features(net, x),
           m.quality: lambda *images: m.quality(net, *images)}
    for thing, does in ran.items():
        assert executed(thing, does, sizes), f"{thing.__name__}: no Shapes to execute"
    assert {*ran} | {m.Quality, m.trained_reader} >= {*public(m).values()}          # a record; a training of its own


def test_the_shapes_of_augmentation_are_executed():
    assert executed(sn.data.random_affine, lambda x: sn.data.random_affine(x, rng=0), dict(N=3, C=2, H=6, W=5))
