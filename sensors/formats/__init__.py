"""One module per way to store events, each with a ``FORMAT`` that is found by content through ``hil.sources``."""
