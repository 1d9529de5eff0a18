"""NYC Ops: the flights out of New York in 2013 as a cube, and one route of its own.

make demo
af run sample_app.main:app
"""
