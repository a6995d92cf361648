"""What judges a finished day from outside the protocol: physics, optimum, baselines, cost."""
