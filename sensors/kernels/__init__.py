"""Fast operations on event columns: frames, grids, surfaces, filters, geometry and lenses.

Names follow Tonic (https://tonic.readthedocs.io) and so do results, except where a docstring says that Tonic's are
wrong and why. Everything takes an ``EventBatch`` and gives a new value; what must be remembered from one batch to the
next is an array the caller allocates once (``last_times``) and hands in, so nothing hides state and nothing is
allocated per event. The modules import numba; import them where they are used.
"""
