"""Ways to write a network, each a ``hil.ports.WeightFormat`` whose ``decode`` is the exact inverse of ``encode``."""
