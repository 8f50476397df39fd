//! What every warehouse does.
