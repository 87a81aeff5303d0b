"""Pictures and short animations of a stretch of a recording."""
