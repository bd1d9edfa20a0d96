// SPDX-License-Identifier: GPL-2.0-or-later
//! The library on one kernel, up to pass 4; see `rstap_tests::tapset`.

fn main() -> std::process::ExitCode {
    rstap_tests::tapset::main()
}
