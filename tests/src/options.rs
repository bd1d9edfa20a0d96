// SPDX-License-Identifier: GPL-2.0-or-later
//! Command line of the test programs: `[--kernel RELEASE] [--boot ARGUMENTS] [TEXT…]`, where a
//! script runs if its path holds one of the texts. Options that cargo's own harness knows are
//! ignored.

/// What to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// A release or its beginning; `$RSTAP_TEST_KERNEL` if the option is absent.
    pub kernel: Option<String>,
    /// Added to the kernel's command line.
    pub boot: Vec<String>,
    pub filters: Vec<String>,
}

impl Options {
    /// Reads the process's arguments.
    pub fn from_environment() -> Options {
        let mut options = Options::parse(std::env::args().skip(1));
        if options.kernel.is_none() {
            options.kernel = std::env::var("RSTAP_TEST_KERNEL")
                .ok()
                .filter(|text| !text.is_empty());
        }
        options
    }

    fn parse(arguments: impl Iterator<Item = String>) -> Options {
        let mut options = Options::default();
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            if argument == "--kernel" {
                options.kernel = arguments.next();
            } else if let Some(kernel) = argument.strip_prefix("--kernel=") {
                options.kernel = Some(kernel.to_string());
            } else if argument == "--boot" {
                options.boot.extend(arguments.next());
            } else if !argument.starts_with('-') {
                options.filters.push(argument);
            }
        }
        options
    }

    /// True if the script of this name is to run.
    pub fn selects(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| name.contains(filter.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_and_kernel_are_told_apart() {
        let words = [
            "maps",
            "--kernel",
            "6.12",
            "--boot",
            "preempt=full",
            "--nocapture",
        ];
        let words = words.map(String::from);
        let options = Options::parse(words.into_iter());
        assert_eq!(options.kernel.as_deref(), Some("6.12"));
        assert_eq!(options.boot, ["preempt=full"]);
        assert!(options.selects("run/maps/simple.stp"));
        assert!(!options.selects("run/print.stp"));
    }
}
