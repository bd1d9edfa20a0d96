// SPDX-License-Identifier: GPL-2.0-or-later
//! The loader of rstap: checks a module, loads it, starts its probes, brings
//! its output into order, and unloads it whatever happens.
//!
//! It knows nothing of the compiler. What it and a module say to each other is
//! in `runtime/include/rstap_protocol.h`; all that a module says is untrusted.
//!
//! One thread does everything (`session`) but the two requests that wait for
//! probes (`errand`); a second process, the `guard`, keeps the right to unload.

pub mod bulk;
mod channel;
mod child;
mod elf;
mod errand;
pub mod framing;
mod guard;
pub mod json;
mod kernel;
mod load;
pub mod merge;
pub mod module;
mod monitor;
pub mod options;
mod output;
pub mod privilege;
pub mod protocol;
pub mod report;
pub mod run;
mod session;
pub mod summary;
mod sys;
#[cfg(test)]
mod testing;
