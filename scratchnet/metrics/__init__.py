"""How good is it?  Neighbours of codes; clusterings against labels."""
from .neighbours import gaps, nearest, neighbour_accuracy
