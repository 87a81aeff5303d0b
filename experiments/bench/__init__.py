"""Performance figures as ratios against a stated baseline, measured in one run."""
