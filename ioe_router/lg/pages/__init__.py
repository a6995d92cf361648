"""What stands on each page: pure functions from the nodes' answers to values that templates print."""
