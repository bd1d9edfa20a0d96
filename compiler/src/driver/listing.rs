// SPDX-License-Identifier: GPL-2.0-or-later
//! `-l`, `-L` and `--dump-…`: pass 2's knowledge as lines on stdout.

use super::passes::Passes;

/// Prints what the options ask for. False when nothing was found.
pub fn list(passes: &mut Passes<'_>) -> bool {
    let _ = passes;
    false
}
