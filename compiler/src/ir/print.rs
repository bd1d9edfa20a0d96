// SPDX-License-Identifier: GPL-2.0-or-later
//! Textual form of the IR, for `-p2 -v` and for tests.
