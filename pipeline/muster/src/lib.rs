//! The muster binary: the worker, its wiring, and the command line.
