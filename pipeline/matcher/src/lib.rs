//! Decides where a batch of punches was made, against a spatial and a radio index.
