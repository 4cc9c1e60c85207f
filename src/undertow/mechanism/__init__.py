"""Where and how a trait enters a model: patching, steering vectors, prediction before training."""
