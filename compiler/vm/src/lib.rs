// SPDX-License-Identifier: GPL-2.0-or-later
//! Throwaway virtual machines that run a distribution's own kernel.
//!
//! * [`kernels`] fetches kernels as the distribution's packages and unpacks them into a cache
//!   folder; nothing is installed on the host.
//! * [`guest`] boots one in qemu, runs commands in it one after the other, and streams what they
//!   print; [`remote`] does this once, for `rstap --remote=vm`.
//! * [`splat`] searches the guest's log for signs that the kernel was hurt.
//!
//! The parts below them: [`cpio`] and [`initramfs`] build the guest's first file system, [`modules`]
//! orders kernel modules by dependency, [`process`] starts helpers that cannot outlive us.

pub mod cpio;
pub mod error;
pub mod guest;
pub mod initramfs;
pub mod kernels;
pub mod modules;
pub mod process;
pub mod remote;
pub mod splat;

pub use error::{Error, Result};
pub use guest::{Case, Guest, Machine, Outcome, Root};
pub use kernels::KernelSet;
pub use remote::{RunRequest, run};
