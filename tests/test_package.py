"""The package as its users meet it: importing, typing, the public names, the wheel."""
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import scratchnet as sn

ROOT = Path(__file__).parent.parent

PROMISED = """
Tensor no_grad grad use_kernels seed op keep replaced guard_finite backward_steps
add sub mul div neg power exp log sqrt abs tanh sigmoid relu leaky_relu softplus maximum minimum clip where matmul
sum mean var max logsumexp softmax log_softmax reshape transpose broadcast_to concatenate stack pad getitem
dense conv2d conv_transpose2d max_pool2d avg_pool2d mse bce_with_logits cross_entropy gaussian_kl
layers optim models data save load check_grad check_backward GradientError step explain inspect
layers.Layer layers.Dense layers.Conv2d layers.ConvTranspose2d layers.ReLU layers.LeakyReLU layers.Sigmoid layers.Tanh
layers.Flatten layers.Reshape layers.BatchNorm layers.Dropout layers.MaxPool2d layers.AvgPool2d layers.Sequential layers.SpectralNorm
optim.SGD optim.RMSProp optim.Adam optim.AdamW models.VAE models.GAN models.Classifier models.KMeans data.load data.batches
""".split()


@pytest.mark.parametrize("name", PROMISED)
def test_public_name_is_there_and_documented(name):
    thing = sn
    for part in name.split("."):
        thing = getattr(thing, part)
    assert thing.__doc__, f"sn.{name} has no docstring"


def python(code: str, **env) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT,
                          env={**os.environ, "PYTHONPATH": str(ROOT), **env}).stdout


def test_import_takes_under_half_a_second_and_compiles_nothing():
    """Counted in processor time, which other programs on the machine do not lengthen."""
    def seconds(code):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        python(code)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    code = "import scratchnet, sys; assert not {'numba', 'matplotlib', 'scipy'} & set(sys.modules)"
    python(code)                                                           # let Python write its own caches
    assert min(seconds(code) for _ in range(3)) - seconds("pass") < 0.5


def test_unknown_kernel_sets_are_refused():
    with pytest.raises(ValueError, match='got "?\'?cuda\'?"?, expected "numpy" or "numba"'):
        sn.use_kernels("cuda")
    with pytest.raises(subprocess.CalledProcessError):
        python("import scratchnet", SCRATCHNET_KERNELS="cuda")


def test_use_kernels_holds_for_its_block_only():
    before = sn.kernel.mode
    with sn.use_kernels("numpy"):
        assert sn.kernel.mode == "numpy"
    assert sn.kernel.mode == before


def test_no_file_is_longer_than_300_lines():
    for path in [*ROOT.glob("scratchnet/**/*.py"), *ROOT.glob("examples/*.py")]:
        assert len(path.read_text().splitlines()) <= 300, path


@pytest.mark.full
def test_wheel_builds_and_works_from_another_folder(tmp_path):
    subprocess.run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path, ROOT], check=True)
    wheel, = tmp_path.glob("scratchnet-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "scratchnet/py.typed" in names and not any(n.startswith(("tests", "examples")) for n in names)
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", tmp_path / "site", wheel], check=True)
    code = "import scratchnet as sn; print(sn.__file__); print(sn.relu(sn.conv2d(*2 * [__import__('numpy').ones((1, 1, 2, 2))])))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path,
                         env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}).stdout
    assert str(tmp_path) in out and "4." in out
