"""Commands that wire recordings, networks and targets together."""
