//! Decides what an owner of partitions does after a claim, a commit or an unclear answer.
