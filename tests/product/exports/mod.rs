//! Exports from the outside: each accepted job ends once, whatever happens meanwhile.

mod crowd;
mod lifecycle;
mod sharing;
