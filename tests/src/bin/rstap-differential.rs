// SPDX-License-Identifier: GPL-2.0-or-later
//! Random programs against an interpreter; see `rstap_tests::differential`.

fn main() -> std::process::ExitCode {
    rstap_tests::differential::main()
}
