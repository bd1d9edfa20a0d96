// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages of passes 1 to 3; see `rstap_tests::ui`.

fn main() -> std::process::ExitCode {
    rstap_tests::ui::main()
}
