//! Decides which shift a punch belongs to and what is wrong with it.
