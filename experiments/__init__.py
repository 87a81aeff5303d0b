"""Experiments: the one place that wires sensors, networks, emulators and boards together."""
