"""What a router shows of itself, row by row, with the reason of every choice and refusal.

Each module reads the live tables of one router (`Parts`) and answers with
frozen rows; nothing is changed, waited for or remembered here, and no clock is
read.  A table whose entries are frozen themselves (paths, offers) is copied as
a tuple of references and turned into rows one by one, so that a view of ten
thousand routes costs next to nothing until its rows are asked for.

What a row holds is what the node knows; what surrounds the router (addresses,
traffic, names) is added by `ioe_router.control`, which serves the rows.
"""
