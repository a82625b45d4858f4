"""G9: every single-edit mutant of every rule, and of the helpers that rules call, is noticed by the registry's checks.

A mutant is planted in the op, then the op's own cases are checked until the first that fails: small ones first, gradients
against slopes measured before (order 1: plain and fast rules), then kinks, then the whole of test_registry*.py for
that op.  Crashing and never ending count as noticed.  A survivor means that a case is missing in op_cases.py
or a line in KINKS, or that the mutant computes the same: then it stands, with the reason, in EQUIVALENT.
"""
from __future__ import annotations

import types
import warnings
from collections import Counter
from functools import lru_cache
from typing import Callable, Iterator, NamedTuple

import numpy as np
from tqdm import tqdm

import scratchnet as sn
from scratchnet.kernel import Kernel
from tests import registry_tools as registry, test_known, test_registry, test_registry_calls, test_registry_linear
from tests.conftest import KERNELS, for_all, size
from tests.mutation import Mutant, mutants, planted, time_limit
from tests.mutation_equivalent import EQUIVALENT
from tests.op_cases import REGIMES, TABLE, cases

CHOICES = ("one_per_channel", "of_channels")    # they choose between two ways that test_registry.py holds equal
LIMIT = 20                                      # seconds for one mutant


class Target(NamedTuple):
    """A function of scratchnet/ops to be mutated, and the ops whose rules run it."""
    function: Callable
    users: list


def named(function: types.FunctionType) -> Iterator:
    """The values of all global names in a function's code."""
    codes = [function.__code__]
    for code in codes:
        codes += [c for c in code.co_consts if isinstance(c, types.CodeType)]
        yield from (function.__globals__[name] for name in code.co_names if name in function.__globals__)


def called(function: types.FunctionType) -> Iterator[types.FunctionType]:
    """The helpers that a rule names, and the kernels that only rules use (in NumPy: test_kernels.py holds the loops to it).

    Not other ops, public functions and forwards' kernels, which have cases of their own, nor conv_checks.py,
    which words refusals (test_errors_ops.py).
    """
    forwards = {value for op in registry.our_ops() for value in named(op.forward)}
    for value in named(function):
        value = value.reference if isinstance(value, Kernel) and value not in forwards else value
        if isinstance(value, types.FunctionType) and value not in TABLE and value.__module__.startswith("scratchnet.ops") \
                and not value.__module__.endswith("conv_checks") and value.__name__ not in CHOICES:
            yield value


def targets() -> list[Target]:
    found: dict = {}                            # function -> users
    for op in registry.our_ops():
        todo = [rule.function for rule in [*op.rules.values(), op.fast] if rule]
        for function in todo:
            found.setdefault(function, [])
            if op not in found[function]:
                found[function].append(op)
                todo += called(function)
    return sorted((Target(f, users) for f, users in found.items()),
                  key=lambda t: (t.function.__module__, t.function.__name__))


# ---- the checks ---------------------------------------------------------------------------------------

@lru_cache(maxsize=None)
def measured(function) -> list:
    """(case, g, slopes) for a few cases of an op, small ones first; slopes are measured on the op as it should be."""
    drawn = []
    for regime in REGIMES:
        for_all(cases(function, regime), drawn.append, 8)
    drawn.sort(key=lambda case: sum(a.size for a in case.arrays()))
    rows = []
    for case in drawn:
        g = registry.upstream(case)
        rows.append((case, g, registry.complex_step(lambda xs: (g * case.call(xs)).sum(), case.arrays())))
    return rows


def check_gradients(function) -> None:
    """Order 1, by the fast rule where there is one, and by the plain ones, which recording runs; and float32's dtype."""
    case, g, _ = measured(function)[0]
    registry.gradients(case, g, np.float32)     # the engine refuses a gradient of another dtype
    for case, g, slopes in measured(function):
        xs = registry.as_tensors(case.arrays())
        ways = [sn.grad(case.call(xs), xs, g=g), sn.grad(case.call(xs), xs, g=g, create_graph=True)]
        if len(xs) > 1:
            ways.append([sn.grad(case.call(xs), x, g=g) for x in xs])           # each alone: fast rules then differ
        for ours in ways:
            for d, slope in zip(ours, slopes, strict=True):
                registry.assert_close(d.numpy(), slope, 1e-10)


def check_kinks(function) -> None:
    for row in test_known.KINKS:
        if row[0] is function:
            test_known.test_G6_slopes_at_kinks(*row, None)


def check_registry(function) -> None:
    """All that test_registry*.py have about gradients."""
    for regime in REGIMES:
        test_registry.test_G1_G2_gradients(function, regime)
        test_registry.test_G1_G2_gradients_of_gradients(function, regime)
    for test in (test_registry.test_fast_rules_equal_the_plain_ones, test_registry_calls.test_float32,
                 test_registry_calls.test_G5_nothing_is_changed_and_nothing_is_shared,
                 test_registry_calls.test_G7_calls_do_not_remember_each_other):
        test(function, None)
    test_registry_linear.test_G3_gradients_are_linear_in_g(function)


def killed(target: Target, mutant: Mutant, checks=(check_gradients, check_kinks, check_registry)) -> bool:
    """Whether some check fails.  The NumPy kernels go first: compiled loops do not look where they write."""
    for function in target.users:
        measured(function)                      # before the mutant: it may be one of the forward
    with planted(target.function, mutant), np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with time_limit(LIMIT):
                for check in checks:
                    for kernels in KERNELS:
                        with sn.use_kernels(kernels):
                            for function in target.users:
                                check(function)
        except Exception:                       # wrong, crashed, or out of time
            return True
    return False


# ---- the score ----------------------------------------------------------------------------------------

@lru_cache(maxsize=None)
def all_mutants() -> list[tuple[Target, Mutant]]:
    return [(target, mutant) for target in targets() for mutant in mutants(target.function)]


def test_the_targets_are_all_rules_and_what_they_call():
    names = {t.function.__name__ for t in targets()}
    rules = {r.function.__name__ for op in registry.our_ops() for r in [*op.rules.values(), op.fast] if r}
    assert rules <= names and {"fit", "spread", "count", "per_item", "per_row", "swap", "where_positive"} <= names


def test_the_original_survives():
    for target in targets()[::size(60, 20)]:
        assert not killed(target, Mutant("", "", 0, "", "", target.function), (check_gradients, check_kinks))


def test_every_equivalent_is_a_mutant_with_a_name_of_its_own():
    names = Counter(str(mutant) for _, mutant in all_mutants())
    assert set(EQUIVALENT) <= set(names), f"no longer mutants: {sorted(set(EQUIVALENT) - set(names))}"
    assert max(names.values()) == 1


def test_G9_mutation_score():
    every = [(t, m) for t, m in all_mutants() if str(m) not in EQUIVALENT]
    rng = np.random.default_rng(9)
    sample = rng.permutation(len(every))[:size(60, len(every))]
    survivors = []
    for i in tqdm(sorted(sample), desc="mutants", unit="", leave=False, disable=None):
        if not killed(*every[i]):
            survivors.append(str(every[i][1]))
    print(f"G9: {len(sample) - len(survivors)} of {len(sample)} mutants noticed; {len(every)} in all, of {len(targets())} "
          f"functions; {len(EQUIVALENT)} more compute the same")
    assert not survivors, "nothing notices:\n" + "\n".join(survivors)
