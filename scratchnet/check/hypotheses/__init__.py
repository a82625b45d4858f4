"""The known kinds of mistakes, cheap ones first.  Each is a function Case → Claims that hold exactly on one draw.

    case.py       what a hypothesis gets and gives         factors.py    a factor or term missing, extra, wrong
    layout.py     shape, order, direction, place           parts.py      a term, a path, a step of the forward
    sums.py       constants, loops, scatters               products.py   matrix products
    swaps.py      another g, input or setting              places.py     where, if nothing better is known
    flows.py      along one way only; with the learner's own variables
"""
from . import factors, flows, layout, parts, places, products, sums, swaps
from .case import Case, Claim

PHASES = ((layout.shapes, layout.wrong_axes, sums.simple, parts.terms, parts.paths, layout.orders, layout.moved,
           swaps.upstream, sums.diagonal, sums.loops, sums.overwritten),
          (swaps.other_inputs, swaps.other_settings, parts.steps),
          (factors.one_factor, factors.factor_of_g, factors.one_term, factors.added, parts.term_factors),
          (parts.local_factors, products.matrices, flows.another, factors.swapped_factor, places.local, factors.computes, places.routing),
          (flows.exchanged, flows.reduced, flows.products, flows.one_way, factors.expression))
CHEAP = 3                                       # so many phases, then variables.py, then the others
ANY_SHAPE = {layout.shapes, layout.wrong_axes, products.matrices}          # the others need A in the shape of x
