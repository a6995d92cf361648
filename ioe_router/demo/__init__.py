"""A community's day, end to end: one router per bus, real connections, checked and reported."""
