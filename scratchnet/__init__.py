"""scratchnet: a deep-learning engine to read, in NumPy, with every gradient derived beside its code."""
from . import data, debug, init, kernel, layers, metrics, models, optim, plot, study
from .autograd import backward_steps, grad, no_grad
from .check import GradientError, check_backward, check_grad, check_kl, check_model, check_sampler
from .debug import explain, step
from .guard import guard_finite
from .inspect import inspect
from .kernel import use_kernels
from .op import keep, op, replaced
from .ops import (abs, add, avg_pool2d, bce_with_logits, broadcast_to, clip, concatenate, conv2d, conv_transpose2d,
                  cross_entropy, dense, div, exp, gaussian_kl, getitem, leaky_relu, log, log_softmax, logsumexp,
                  matmul, max, max_pool2d, maximum, mean, minimum, mse, mul, neg, normalize, pad, power, relu,
                  reshape, sigmoid, softmax, softplus, sqrt, stack, sub, sum, tanh, transpose, var, where)
from .rng import seed
from .storage import CheckpointError, load, save
from .tensor import Tensor
from .threads import set_threads

__version__ = "0.1.0"
