// SPDX-License-Identifier: GPL-2.0-or-later
//! The only door from pass 2 to the kernel being probed.

/// What pass 2 may ask about the kernel. Implemented over `rstap_debuginfo`
/// for real kernels and over plain data in tests.
pub trait Target {}
