//! What the whole pipeline costs: replay, lake, restart, memory.
