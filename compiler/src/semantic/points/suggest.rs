// SPDX-License-Identifier: GPL-2.0-or-later
//! Similar names for messages.

use crate::semantic::similar::distance;

/// Names of a message at most.
const LIMIT: usize = 5;

/// All names, the most similar first and equal ones by the alphabet.
pub fn sorted<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    let mut found: Vec<(usize, &str)> = names
        .into_iter()
        .filter(|name| !name.is_empty())
        .filter_map(|name| Some((distance(wanted, name, usize::MAX)?, name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.into_iter().map(|(_, name)| name).collect()
}

/// The five most similar names, as SystemTap orders them.
pub fn similar<'n>(wanted: &str, names: impl IntoIterator<Item = &'n str>) -> Vec<&'n str> {
    // Tens of thousands of functions: names worse than the fifth so far are given up early.
    let mut best: Vec<(usize, &str)> = Vec::new();
    for name in names {
        if name.is_empty() {
            continue;
        }
        let limit = match best.get(LIMIT - 1) {
            Some((worst, _)) => *worst,
            None => usize::MAX,
        };
        let Some(distance) = distance(wanted, name, limit) else {
            continue;
        };
        let entry = (distance, name);
        if let Err(position) = best.binary_search(&entry) {
            best.insert(position, entry);
            best.truncate(LIMIT);
        }
    }
    best.into_iter().map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_distance_then_name() {
        let names = [
            "__readb",
            "vfs_readv",
            "vfs_write",
            "vcs_read",
            "vfs_read",
            "fb_read",
        ];
        assert_eq!(
            similar("vfs_reads", names),
            ["vfs_read", "vfs_readv", "vcs_read", "fb_read", "__readb"]
        );
        assert_eq!(
            sorted("foo", ["f_pos", "f_op", "f_ep"]),
            ["f_op", "f_ep", "f_pos"]
        );
    }
}
