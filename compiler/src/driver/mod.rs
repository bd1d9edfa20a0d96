pub fn run(_: &crate::cli::Options) -> std::process::ExitCode { std::process::ExitCode::SUCCESS }
