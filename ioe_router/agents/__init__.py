"""Prosumer agents: what a node wants to buy, sell and store. Replaceable, above the router, pure."""
