"""Sensors: readers, writers, windows and features of event streams."""
