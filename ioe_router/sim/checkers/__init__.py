"""What must hold at every instant and at the end of a run, judged from outside the routers.

Checkers read the live tables of a router after each call and keep books of
their own.  Each one is small and says in its first lines what it holds a router
to.  Nodes that lie are not judged; their honest neighbours are.
"""
