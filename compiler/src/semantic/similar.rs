// SPDX-License-Identifier: GPL-2.0-or-later
//! Names close to a wrong one, by edit distance.

/// At most this many are shown.
const MOST: usize = 5;

/// Names within a third of the word's length (two letters at least, so that swapped ones count),
/// closest first, without the name itself.
pub fn several(name: &str, candidates: &[String]) -> Vec<String> {
    let limit = (name.len() / 3).clamp(if name.len() > 3 { 2 } else { 1 }, 4);
    let mut found: Vec<(usize, &String)> = candidates
        .iter()
        .filter(|candidate| *candidate != name)
        .filter_map(|candidate| Some((distance(name, candidate, limit)?, candidate)))
        .collect();
    found.sort();
    found.dedup();
    found
        .into_iter()
        .take(MOST)
        .map(|(_, name)| name.clone())
        .collect()
}

/// The closest name.
pub fn closest(name: &str, candidates: &[String]) -> Option<String> {
    several(name, candidates).into_iter().next()
}

/// Levenshtein distance, `None` when it is above the limit.
pub fn distance(left: &str, right: &str, limit: usize) -> Option<usize> {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len().abs_diff(right.len()) > limit {
        return None;
    }
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, &a) in left.iter().enumerate() {
        let mut diagonal = i;
        let mut best = i + 1;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, &b) in right.iter().enumerate() {
            let above = row.get(j + 1).copied().unwrap_or(usize::MAX);
            let before = row.get(j).copied().unwrap_or(usize::MAX);
            let cost = (diagonal + usize::from(a != b))
                .min(above + 1)
                .min(before + 1);
            diagonal = above;
            if let Some(cell) = row.get_mut(j + 1) {
                *cell = cost;
            }
            best = best.min(cost);
        }
        if best > limit {
            return None;
        }
    }
    row.last().copied().filter(|&distance| distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_come_first_and_far_ones_not_at_all() {
        let names: Vec<String> = ["vfs_read", "vfs_readv", "vfs_write", "foo"]
            .map(str::to_owned)
            .to_vec();
        assert_eq!(several("vfs_reads", &names), ["vfs_read", "vfs_readv"]);
        assert_eq!(closest("xyzzy", &names), None);
        assert_eq!(distance("kitten", "sitting", 3), Some(3));
        assert_eq!(distance("kitten", "sitting", 2), None);
    }
}
