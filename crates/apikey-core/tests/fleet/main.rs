//! Instances of one API over one store. Time is paused, so what takes seconds is exact and costs nothing.

mod attempts;
mod bound;
mod cut_off;
mod hostile;
mod removal;
mod sharing;
mod support;
mod webhooks;
