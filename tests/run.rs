// SPDX-License-Identifier: GPL-2.0-or-later
//! Scripts on a real kernel; see `rstap_tests::run`.

fn main() -> std::process::ExitCode {
    rstap_tests::run::main()
}
