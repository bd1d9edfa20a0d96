// SPDX-License-Identifier: GPL-2.0-or-later
//! `-L` against SystemTap's; see `rstap_tests::listing`.

fn main() -> std::process::ExitCode {
    rstap_tests::listing::main()
}
