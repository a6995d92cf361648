"""Pairing (SPEC section 6.1): two boxes learn each other's CA certificate from a short code."""
