// SPDX-License-Identifier: GPL-2.0-or-later
//! Type variables: every global, function result, parameter and local has one,
//! and using it says what it is.
//!
//! Types flow both ways through [`Types::unify`]; bodies are walked again until
//! nothing new is learnt. Beside its type, a variable that holds a C value may
//! carry that value's C type (its *detail*), so that `->` works on it.

use rstap_debuginfo::TypeId;
use rstap_syntax::span::Span;

use crate::ir::Type;

/// Index of a type variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeVar(usize);

/// A type as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ty {
    Known(Type),
    Var(TypeVar),
}

impl Ty {
    pub const LONG: Ty = Ty::Known(Type::Long);
    pub const STRING: Ty = Ty::Known(Type::String);
    pub const STAT: Ty = Ty::Known(Type::Stat);
}

/// What is known of the C type of the values in a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Detail {
    #[default]
    Unset,
    One(TypeId),
    /// Values of different C types were stored.
    Several,
}

#[derive(Debug, Clone)]
struct Entry {
    parent: usize,
    known: Option<(Type, Span)>,
    detail: Detail,
}

/// Two uses that do not fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mismatch {
    /// Type wanted at the place of the error.
    pub wanted: Type,
    /// Type that was inferred before, and where if that is known.
    pub inferred: Type,
    pub inferred_at: Option<Span>,
}

/// All type variables of a compilation.
#[derive(Debug, Default)]
pub struct Types {
    entries: Vec<Entry>,
    changes: usize,
}

impl Types {
    /// A variable about which nothing is known.
    pub fn fresh(&mut self) -> TypeVar {
        let index = self.entries.len();
        self.entries.push(Entry {
            parent: index,
            known: None,
            detail: Detail::Unset,
        });
        TypeVar(index)
    }

    fn root(&mut self, var: TypeVar) -> usize {
        let mut index = var.0;
        while self.entries[index].parent != index {
            let parent = self.entries[index].parent;
            self.entries[index].parent = self.entries[parent].parent;
            index = parent;
        }
        index
    }

    /// A variable for a place with an error: it stands for any type and teaches nothing.
    pub fn fresh_unlinked(&mut self) -> TypeVar {
        self.fresh()
    }

    /// Grows with every fact learnt: equal before and after a walk means done.
    pub fn changes(&self) -> usize {
        self.changes
    }

    /// The type, if it is known.
    pub fn get(&mut self, ty: Ty) -> Option<Type> {
        match ty {
            Ty::Known(ty) => Some(ty),
            Ty::Var(var) => {
                let root = self.root(var);
                self.entries[root].known.map(|(ty, _)| ty)
            }
        }
    }

    /// Makes the two the same. `at` is where they meet.
    pub fn unify(&mut self, left: Ty, right: Ty, at: Span) -> Result<(), Mismatch> {
        match (left, right) {
            (Ty::Known(left), Ty::Known(right)) => {
                if left == right {
                    Ok(())
                } else {
                    Err(Mismatch {
                        wanted: right,
                        inferred: left,
                        inferred_at: None,
                    })
                }
            }
            (Ty::Var(var), Ty::Known(ty)) | (Ty::Known(ty), Ty::Var(var)) => {
                let root = self.root(var);
                match self.entries[root].known {
                    None => {
                        self.entries[root].known = Some((ty, at));
                        self.changes += 1;
                        Ok(())
                    }
                    Some((known, _)) if known == ty => Ok(()),
                    Some((known, place)) => Err(Mismatch {
                        wanted: ty,
                        inferred: known,
                        inferred_at: Some(place),
                    }),
                }
            }
            (Ty::Var(left), Ty::Var(right)) => {
                let (left, right) = (self.root(left), self.root(right));
                if left == right {
                    return Ok(());
                }
                match (self.entries[left].known, self.entries[right].known) {
                    (Some((one, place)), Some((other, _))) => {
                        if one == other {
                            return Ok(());
                        }
                        Err(Mismatch {
                            wanted: other,
                            inferred: one,
                            inferred_at: Some(place),
                        })
                    }
                    (Some((ty, place)), None) => {
                        self.entries[right].known = Some((ty, place));
                        self.changes += 1;
                        Ok(())
                    }
                    (None, Some((ty, place))) => {
                        self.entries[left].known = Some((ty, place));
                        self.changes += 1;
                        Ok(())
                    }
                    (None, None) => {
                        self.entries[right].parent = left;
                        self.changes += 1;
                        Ok(())
                    }
                }
            }
        }
    }

    /// Says that a value of this C type is stored in the variable.
    pub fn add_detail(&mut self, ty: Ty, detail: Option<TypeId>) {
        let (Ty::Var(var), Some(detail)) = (ty, detail) else {
            return;
        };
        let root = self.root(var);
        let new = match self.entries[root].detail {
            Detail::Unset => Detail::One(detail),
            Detail::One(old) if old == detail => Detail::One(old),
            _ => Detail::Several,
        };
        if new != self.entries[root].detail {
            self.entries[root].detail = new;
            self.changes += 1;
        }
    }

    /// The C type of what the variable holds, if there is just one.
    pub fn detail(&mut self, ty: Ty) -> Option<TypeId> {
        let Ty::Var(var) = ty else { return None };
        let root = self.root(var);
        match self.entries[root].detail {
            Detail::One(detail) => Some(detail),
            _ => None,
        }
    }
}

/// SystemTap's name of a type.
pub fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Long => "long",
        Type::String => "string",
        Type::Stat => "stats",
        Type::Void => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_flow_both_ways_and_conflicts_name_the_first_place() {
        let mut types = Types::default();
        let (a, b) = (Ty::Var(types.fresh()), Ty::Var(types.fresh()));
        let first = Span {
            start: 3,
            ..Span::default()
        };
        assert_eq!(types.unify(a, b, Span::default()), Ok(()));
        assert_eq!(types.unify(b, Ty::STRING, first), Ok(()));
        assert_eq!(types.get(a), Some(Type::String));
        let mismatch = types.unify(a, Ty::LONG, Span::default()).unwrap_err();
        assert_eq!(mismatch.inferred_at, Some(first));
        assert_eq!(
            (mismatch.wanted, mismatch.inferred),
            (Type::Long, Type::String)
        );
    }
}
