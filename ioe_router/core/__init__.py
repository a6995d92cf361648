"""Decisions. Pure: time, entropy, keys and storage come in as arguments, effects go out."""
