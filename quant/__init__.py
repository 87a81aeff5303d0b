"""Ternary quantisation: the absmean rule, training, freezing, packing and export."""
