"""The control service of a daemon: what an operator, a looking glass or a script may ask of a running node.

    proto/ioe/control/v1   the contract; documented in docs/reference/control-api.md
    server.py              sockets, permissions, roles
    service.py             the methods; rows come from `ioe_router.readout`
    client.py              what the command line and the looking glass call

It is no part of the protocol between nodes and decides nothing about energy:
what changes something is an input of the router like any other.
"""
