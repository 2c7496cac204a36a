//! SQL over the lake: views, one-shot statements, the REPL's answers.
