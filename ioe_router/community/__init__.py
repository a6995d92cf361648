"""A scenario brought to life, for demo and simulator: what routers are told, agents, physics, meters."""
