"""Compiled loops that turn stored words into columns; imported only when a file is read."""
