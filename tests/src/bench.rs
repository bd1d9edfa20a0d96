// SPDX-License-Identifier: GPL-2.0-or-later
//! What `make bench` prints: the tables of costs, with what is to be reached beside them.
//!
//! Options: `--kernel RELEASE`, `--no-bpftrace` (do not measure bpftrace in the same guest),
//! `--cost`, `--pause`, `--latency` or `--time` for one of the tables, and texts that scripts' names
//! must hold.

mod cost;
mod latency;
mod pause;
mod time;

use std::process::ExitCode;

use rstap_vm::KernelSet;

use crate::programs::Programs;

/// What to measure.
#[derive(Debug, Default)]
pub struct Options {
    kernel: Option<String>,
    no_bpftrace: bool,
    only: Option<Table>,
    filters: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Table {
    Cost,
    Pause,
    Latency,
    Time,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--kernel" => options.kernel = arguments.next(),
                "--no-bpftrace" => options.no_bpftrace = true,
                "--cost" => options.only = Some(Table::Cost),
                "--pause" => options.only = Some(Table::Pause),
                "--latency" => options.only = Some(Table::Latency),
                "--time" => options.only = Some(Table::Time),
                _ if argument.starts_with('-') => {
                    return Err(format!(
                        "unknown option {argument}; there are --kernel RELEASE, --no-bpftrace, \
                         --cost, --pause, --latency, --time"
                    ));
                }
                _ => options.filters.push(argument),
            }
        }
        Ok(options)
    }

    fn selects(&self, name: &str) -> bool {
        self.filters.is_empty()
            || self
                .filters
                .iter()
                .any(|filter| name.contains(filter.as_str()))
    }
}

/// Measures and prints.
pub fn main() -> ExitCode {
    match measure() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("rstap-bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn measure() -> Result<(), String> {
    let options = Options::parse(std::env::args().skip(1))?;
    let programs = Programs::find()?;
    let kernel: KernelSet =
        rstap_vm::kernels::find(options.kernel.as_deref()).map_err(|error| error.to_string())?;
    let wants = |table| options.only.is_none_or(|only| only == table);
    if wants(Table::Cost) {
        cost::table(&options, &programs, &kernel)?;
    }
    if wants(Table::Pause) {
        pause::table(&options, &programs, &kernel)?;
    }
    if wants(Table::Latency) {
        latency::table(&programs, &kernel)?;
    }
    if wants(Table::Time) {
        time::table(&options, &programs, &kernel)?;
    }
    Ok(())
}

/// Prints rows with columns of equal width, numbers to the right. The first row is the heading.
fn print_table(rows: &[Vec<String>]) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
    };
    let widths: Vec<usize> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(column, (cell, &width))| {
                if column == 0 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            })
            .collect();
        println!("| {} |", cells.join(" | "));
        if number == 0 {
            let lines: Vec<String> = widths.iter().map(|&width| "-".repeat(width)).collect();
            println!("|-{}-|", lines.join("-|-"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read() {
        let words = ["--cost", "map", "--kernel", "6.12"].map(String::from);
        let options = Options::parse(words.into_iter()).unwrap();
        assert_eq!(options.only, Some(Table::Cost));
        assert!(options.selects("5-trace-map") && !options.selects("1-function"));
        assert!(Options::parse(["--what".to_string()].into_iter()).is_err());
    }
}
