//! What a punch costs on the hot path.
