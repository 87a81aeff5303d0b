"""The firmware: portable C99 sources, linker scripts and make fragments, and what builds them into the user's cache."""

from boards.firmware.build import TARGETS, firmware_elf, missing_tools, source_hash

__all__ = ["TARGETS", "firmware_elf", "missing_tools", "source_hash"]
