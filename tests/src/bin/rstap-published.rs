// SPDX-License-Identifier: GPL-2.0-or-later
//! SystemTap's published scripts; see `rstap_tests::published`.

fn main() -> std::process::ExitCode {
    rstap_tests::published::main()
}
