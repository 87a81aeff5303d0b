"""What a node draws and costs: every input with its source, uncertainty carried through to a verdict."""

from boards.power.budget import Budget, Claim, Range, Settings, budget
from boards.power.profile import Profile, Quantity, load_profile, profile_names

__all__ = ["Budget", "Claim", "Profile", "Quantity", "Range", "Settings", "budget", "load_profile", "profile_names"]
