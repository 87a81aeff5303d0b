"""Emulators: exact references, memristor crossbars, camera models."""
