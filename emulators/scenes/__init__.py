"""Scenes to drive the camera model, and labelled recordings made of them."""
