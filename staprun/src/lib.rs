// SPDX-License-Identifier: GPL-2.0-or-later
//! The loader of rstap: checks a module, loads it, starts its probes, brings
//! its output into order, and unloads it whatever happens.
//!
//! It knows nothing of the compiler. What it and a module say to each other is
//! in `runtime/include/rstap_protocol.h`; all that a module says is untrusted.
//!
//! One thread does everything ([`session`]) but the two requests that wait for
//! probes ([`errand`]); a second process, the [`guard`], keeps the right to
//! unload.

pub mod bulk;
pub mod channel;
pub mod child;
pub mod elf;
pub mod errand;
pub mod framing;
pub mod guard;
pub mod json;
pub mod kernel;
pub mod load;
pub mod merge;
pub mod module;
pub mod monitor;
pub mod options;
pub mod output;
pub mod privilege;
pub mod protocol;
pub mod report;
pub mod run;
pub mod session;
pub mod summary;
pub mod sys;
#[cfg(test)]
mod testing;
