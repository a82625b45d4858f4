"""How good is it?  Neighbours of codes; clusterings against labels; made images against real ones."""
from . import clustering
from .generative import class_shares, frechet_distance, inception_score, overlap
from .neighbours import gaps, nearest, neighbour_accuracy
from .reader import Quality, features, quality, trained_reader
