// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements.

use super::super::program::*;
use super::{Generator, Scope, show};

/// Kinds of statements; the frequent ones count several times.
const KINDS: usize = 30;

impl Generator {
    /// Some statements; `result` is what the function around gives, if there is one.
    pub fn statements(&mut self, scope: &mut Scope, result: Option<Type>) -> Vec<Statement> {
        let count = self.random.between(1, 4);
        let mut body = Vec::new();
        for _ in 0..count {
            if scope.budget == 0 {
                break;
            }
            scope.budget -= 1;
            body.push(self.statement(scope, result));
        }
        body
    }

    fn statement(&mut self, scope: &mut Scope, result: Option<Type>) -> Statement {
        let mut kind = self.random.below(KINDS);
        if self.enabled >> kind & 1 == 0 {
            kind = self.random.below(KINDS);
        }
        match kind {
            0..=5 => {
                let kind = self.kind();
                Statement::Expression(self.assignment(kind, 3, scope))
            }
            6 | 7 => {
                let kind = self.kind();
                let value = self.safe(scope, |own, scope| own.expression(kind, 3, scope));
                Statement::Expression(value)
            }
            8..=11 => {
                let output = self.output(3, scope);
                Statement::Print(output)
            }
            12..=14 => {
                let condition = self.safe(scope, |own, scope| own.expression(Type::Long, 3, scope));
                let yes = self.statements(scope, result);
                let no = self
                    .random
                    .percent(50)
                    .then(|| self.statements(scope, result));
                Statement::If(condition, yes, no)
            }
            15 | 16 => self.counted_loop(scope, result),
            17..=19 => self.foreach(scope, result),
            20 => self.delete(scope),
            21..=23 => self.attempt(scope, result),
            24 if scope.loops > 0 => match self.random.percent(50) {
                true => self.rarely(Statement::Break, scope),
                false => self.rarely(Statement::Continue, scope),
            },
            24 if scope.is_probe && self.random.percent(10) => self.rarely(Statement::Next, scope),
            25 => self.leave(scope, result),
            26 if scope.is_caught || self.random.percent(3) => {
                let message = self.expression(Type::Text, 2, scope);
                let failure = Statement::Error(message);
                self.rarely(failure, scope)
            }
            27 => match self.safe(scope, |own, scope| own.any_call(None, 3, scope)) {
                Some(call) => Statement::Expression(call),
                None => self.sample(scope),
            },
            _ => self.sample(scope),
        }
    }

    /// Something whose errors may be left out.
    fn safe<T>(
        &mut self,
        scope: &mut Scope,
        make: impl FnOnce(&mut Generator, &mut Scope) -> T,
    ) -> T {
        let was_safe = std::mem::replace(&mut scope.is_safe, true);
        let made = make(self, scope);
        scope.is_safe = was_safe;
        made
    }

    /// Only under a condition, so that what follows can be reached.
    fn rarely(&mut self, statement: Statement, scope: &mut Scope) -> Statement {
        let condition = self.expression(Type::Long, 2, scope);
        Statement::If(condition, vec![statement], None)
    }

    fn leave(&mut self, scope: &mut Scope, result: Option<Type>) -> Statement {
        // A function that gives nothing cannot be told from a probe here, nor `return` from `next`.
        let leaves = match result {
            Some(kind) => Statement::Return(Some(self.expression(kind, 2, scope))),
            None => return self.sample(scope),
        };
        self.rarely(leaves, scope)
    }

    fn counted_loop(&mut self, scope: &mut Scope, result: Option<Type>) -> Statement {
        let (_, counter) = scope.fresh(Type::Long);
        let most = self.random.below(6) as i64;
        let is_for = self.random.percent(50);
        let condition =
            (!is_for && self.random.percent(50)).then(|| self.expression(Type::Long, 2, scope));
        scope.loops += 1;
        let body = self.statements(scope, result);
        scope.loops -= 1;
        match is_for {
            true => Statement::For {
                counter,
                most,
                body,
            },
            false => Statement::While {
                counter,
                most,
                condition,
                body,
            },
        }
    }

    fn foreach(&mut self, scope: &mut Scope, result: Option<Type>) -> Statement {
        let arrays = self.arrays(|_| true);
        let array = self.random.pick(&arrays);
        let global = self.program.globals[array].clone();
        let slice = self.random.percent(25).then(|| {
            let keys = self.keys(array, 2, scope);
            self.some(keys, 60)
        });
        let limit = self
            .random
            .percent(25)
            .then(|| match self.random.percent(70) {
                true => Expression::Number(self.random.below(4) as i64),
                false => self.key(Type::Long, 2, scope),
            });
        let mut new = |kind: Type| {
            let local = scope.fresh(kind);
            scope.writable.push(local);
            local.1
        };
        let keys: Vec<usize> = global.keys.iter().map(|&kind| new(kind)).collect();
        let value = match global.holds {
            Holds::Value(kind) if self.random.percent(60) => Some(new(kind)),
            _ => None,
        };
        let up = self.random.percent(50);
        let sort = match global.holds {
            // The order of statistics depends on the processors they were added on.
            Holds::Statistic if global.keys.len() == 1 && self.random.percent(50) => {
                Some((SortBy::Key(0), up))
            }
            Holds::Statistic => Some((SortBy::Statistic(self.extractor()), up)),
            Holds::Value(_) => match self.random.below(4) {
                0 | 1 => Some((SortBy::Key(self.random.below(keys.len())), up)),
                2 => Some((SortBy::Value, up)),
                _ => None,
            },
        };
        let mut foreach = Foreach {
            array,
            keys,
            value,
            sort,
            slice,
            limit,
            body: Vec::new(),
        };
        scope.loops += 1;
        scope.walked.push(array);
        if let Some((SortBy::Statistic(extract), _)) = sort {
            // Of elements that are equal, any may come first.
            let keys = global.keys.iter().zip(&foreach.keys);
            let keys = keys.map(|(&kind, &local)| Expression::Read(Place::Local(kind, local)));
            let value = Expression::Extract(extract, array, keys.collect());
            foreach.body = vec![show(value, Type::Long)];
        } else {
            foreach.body = self.foreach_body(&foreach, &global, scope, result);
        }
        scope.walked.pop();
        scope.loops -= 1;
        Statement::Foreach(foreach)
    }

    fn foreach_body(
        &mut self,
        foreach: &Foreach,
        global: &Global,
        scope: &mut Scope,
        result: Option<Type>,
    ) -> Vec<Statement> {
        let mut body = Vec::new();
        for (&kind, &local) in global.keys.iter().zip(&foreach.keys) {
            body.push(show(Expression::Read(Place::Local(kind, local)), kind));
        }
        if let (Some(local), Holds::Value(kind)) = (foreach.value, global.holds) {
            body.push(show(Expression::Read(Place::Local(kind, local)), kind));
        }
        body.extend(self.statements(scope, result));
        body
    }

    fn delete(&mut self, scope: &mut Scope) -> Statement {
        let index = self.random.below(self.program.globals.len());
        if scope.walked.contains(&index) {
            return self.sample(scope);
        }
        scope.changes.push(index);
        let keys = match self.random.percent(15) {
            true => Vec::new(),
            false => {
                let keys = self.keys(index, 2, scope);
                self.some(keys, 20)
            }
        };
        Statement::Delete(index, keys)
    }

    fn attempt(&mut self, scope: &mut Scope, result: Option<Type>) -> Statement {
        let was_caught = std::mem::replace(&mut scope.is_caught, true);
        let body = self.statements(scope, result);
        scope.is_caught = was_caught;
        let message = self.random.percent(70).then(|| {
            let local = scope.fresh(Type::Text);
            scope.writable.push(local);
            local.1
        });
        let mut handler = Vec::new();
        if let Some(local) = message {
            handler.push(show(
                Expression::Read(Place::Local(Type::Text, local)),
                Type::Text,
            ));
        }
        handler.extend(self.statements(scope, result));
        Statement::Try(body, message, handler)
    }

    fn sample(&mut self, scope: &mut Scope) -> Statement {
        let value = self.expression(Type::Long, 2, scope);
        match self.global(Holds::Statistic, 2, scope, true) {
            Some(Place::Global(index, keys)) => Statement::Sample(index, keys, value),
            _ => show(value, Type::Long),
        }
    }
}
