"""What a node draws and costs: every input with its source, uncertainty carried through to a verdict."""
