// SPDX-License-Identifier: GPL-2.0-or-later
//! Costs of probes and times of the compiler; see `rstap_tests::bench`.

fn main() -> std::process::ExitCode {
    rstap_tests::bench::main()
}
