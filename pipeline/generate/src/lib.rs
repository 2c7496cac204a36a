//! A chain of any size, its punches, and a ledger of the truth by its own slow rules.
