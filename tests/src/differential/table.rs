// SPDX-License-Identifier: GPL-2.0-or-later
//! Globals: an array keeps its elements in the order in which they were added, a scalar is an array
//! whose only element has no keys.

use super::program::{Extract, Global, Holds, Type};

/// A value. Numbers compare by value, strings by bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Long(i64),
    Text(Vec<u8>),
}

impl Value {
    /// 0 or "".
    pub fn empty(kind: Type) -> Value {
        match kind {
            Type::Long => Value::Long(0),
            Type::Text => Value::Text(Vec::new()),
        }
    }

    /// As a condition.
    pub fn long(&self) -> i64 {
        match self {
            Value::Long(number) => *number,
            Value::Text(_) => 0,
        }
    }

    pub fn text(self) -> Vec<u8> {
        match self {
            Value::Long(_) => Vec::new(),
            Value::Text(text) => text,
        }
    }
}

/// Elements of an array without a size.
const MAXMAPENTRIES: usize = 2048;

/// Samples that were added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statistic {
    count: i64,
    sum: i64,
    min: i64,
    max: i64,
}

impl Statistic {
    /// `None` of an empty one where that is an error.
    pub fn extract(statistic: Option<&Statistic>, extract: Extract) -> Option<i64> {
        match (statistic, extract) {
            (None, Extract::Count | Extract::Sum) => Some(0),
            (None, _) => None,
            (Some(found), Extract::Count) => Some(found.count),
            (Some(found), Extract::Sum) => Some(found.sum),
            (Some(found), Extract::Min) => Some(found.min),
            (Some(found), Extract::Max) => Some(found.max),
            (Some(found), Extract::Average) => Some(found.sum.wrapping_div(found.count)),
        }
    }
}

/// What an element holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Value(Value),
    Statistic(Statistic),
}

/// A global's elements.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub elements: Vec<(Vec<Value>, Cell)>,
    size: Option<usize>,
    wraps: bool,
    /// How often an element had no place.
    pub full: u64,
}

/// There is no place for another element; with the size, if the array has its own.
#[derive(Debug)]
pub struct Full(pub Option<usize>);

impl Table {
    pub fn new(global: &Global) -> Table {
        Table {
            elements: Vec::new(),
            size: global.size,
            wraps: global.wraps,
            full: 0,
        }
    }

    pub fn find(&self, keys: &[Value]) -> Option<&Cell> {
        let found = self.elements.iter().find(|(own, _)| own == keys);
        found.map(|(_, cell)| cell)
    }

    /// The value of an element, 0 or "" if there is none.
    pub fn read(&self, keys: &[Value], holds: Holds) -> Value {
        match (self.find(keys), holds) {
            (Some(Cell::Value(value)), _) => value.clone(),
            (_, Holds::Value(kind)) => Value::empty(kind),
            (_, Holds::Statistic) => Value::Long(0),
        }
    }

    pub fn statistic(&self, keys: &[Value]) -> Option<&Statistic> {
        match self.find(keys) {
            Some(Cell::Statistic(found)) => Some(found),
            _ => None,
        }
    }

    /// An element, which is added if it is missing.
    fn element(&mut self, keys: Vec<Value>, new: Cell) -> Result<&mut Cell, Full> {
        let index = match self.elements.iter().position(|(own, _)| *own == keys) {
            Some(index) => index,
            None => {
                if self.elements.len() >= self.size.unwrap_or(MAXMAPENTRIES) {
                    if !self.wraps {
                        self.full += 1;
                        return Err(Full(self.size));
                    }
                    self.elements.remove(0);
                }
                self.elements.push((keys, new));
                self.elements.len() - 1
            }
        };
        Ok(&mut self.elements[index].1)
    }

    pub fn write(&mut self, keys: Vec<Value>, value: Value) -> Result<(), Full> {
        let value = Cell::Value(value);
        let place = self.element(keys, value.clone())?;
        *place = value;
        Ok(())
    }

    pub fn sample(&mut self, keys: Vec<Value>, sample: i64) -> Result<(), Full> {
        let none = Statistic {
            count: 0,
            sum: 0,
            min: i64::MAX,
            max: i64::MIN,
        };
        if let Cell::Statistic(found) = self.element(keys, Cell::Statistic(none))? {
            found.count += 1;
            found.sum = found.sum.wrapping_add(sample);
            found.min = found.min.min(sample);
            found.max = found.max.max(sample);
        }
        Ok(())
    }

    /// Removes what fits; `None` fits all.
    pub fn delete(&mut self, keys: &[Option<Value>]) {
        self.elements.retain(|(own, _)| !fits(own, keys));
    }
}

/// Whether keys are the wanted ones.
pub fn fits(own: &[Value], wanted: &[Option<Value>]) -> bool {
    let mut both = own.iter().zip(wanted);
    both.all(|(own, wanted)| wanted.as_ref().is_none_or(|wanted| wanted == own))
}
