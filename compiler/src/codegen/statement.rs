// SPDX-License-Identifier: GPL-2.0-or-later
//! Statements to C.

use crate::ir::*;

use super::analysis::uses_of_block;
use super::body::{Body, Home, Result, Value};
use super::writer::bare;

impl Body<'_> {
    /// Statements in order. `is_last`: nothing of the function follows them.
    pub fn block(&mut self, block: &[Stmt], is_last: bool) -> Result<()> {
        if self.takes_locks {
            return self.locked_block(block, is_last);
        }
        let mut uncounted = true;
        for (index, statement) in block.iter().enumerate() {
            let rest = block.get(index..).unwrap_or_default();
            if uncounted && self.counts_statements {
                self.count(rest);
            }
            // What follows a control statement is counted when it is reached.
            uncounted = is_control(statement);
            self.statement(statement, is_last && rest.len() == 1)?;
        }
        Ok(())
    }

    /// Charges the statements up to and with the next control statement.
    fn count(&mut self, rest: &[Stmt]) {
        let run = rest
            .iter()
            .position(is_control)
            .map_or(rest.len(), |end| end + 1);
        let Some(first) = rest.first() else { return };
        self.line(format!("c->actions -= {run};"));
        self.fail_if("c->actions < 0", "MAXACTION exceeded", first.at);
    }

    /// Takes the locks that the block needs around the smallest range of its
    /// statements, or inside the branches of an `if` when that is all.
    fn locked_block(&mut self, block: &[Stmt], is_last: bool) -> Result<()> {
        let program = self.unit.program;
        let locks = |statements: &[Stmt]| {
            self.unit
                .analysis
                .locks_of(program, &uses_of_block(statements))
        };
        let needs: Vec<bool> = block
            .iter()
            .map(|s| !locks(std::slice::from_ref(s)).is_empty())
            .collect();
        let first = needs.iter().position(|needed| *needed);
        let last = needs.iter().rposition(|needed| *needed);
        let all = locks(block);
        self.takes_locks = false;
        let (Some(first), Some(last)) = (first, last) else {
            return self.block(block, is_last);
        };
        let before = block.get(..first).unwrap_or_default();
        let inside = block.get(first..=last).unwrap_or_default();
        let after = block.get(last + 1..).unwrap_or_default();
        self.block(before, false)?;
        let is_last_inside = is_last && after.is_empty();
        match inside {
            [
                Stmt {
                    kind:
                        StmtKind::If {
                            condition,
                            then,
                            otherwise,
                        },
                    at,
                },
            ] if self
                .unit
                .analysis
                .locks_of(program, &super::analysis::uses_of_expression(condition))
                .is_empty() =>
            {
                if self.counts_statements {
                    self.line("c->actions -= 1;");
                    self.fail_if("c->actions < 0", "MAXACTION exceeded", *at);
                }
                self.branches(condition, then, otherwise, is_last_inside, true)?;
            }
            _ => self.with_locks(&all, inside, is_last_inside)?,
        }
        self.takes_locks = false;
        self.block(after, is_last)
    }

    fn statement(&mut self, statement: &Stmt, is_last: bool) -> Result<()> {
        match &statement.kind {
            StmtKind::Expr(value) => {
                self.effect(value, true)?;
                self.end_statement(is_last);
            }
            StmtKind::If {
                condition,
                then,
                otherwise,
            } => {
                self.branches(condition, then, otherwise, is_last, false)?;
            }
            StmtKind::Loop {
                condition,
                step,
                body,
            } => {
                self.while_loop(condition.as_ref(), step.as_ref(), body, statement.at)?;
            }
            StmtKind::Foreach(foreach) => self.foreach(foreach, statement.at, is_last)?,
            StmtKind::ForeachHistogram {
                stat,
                histogram,
                bucket,
                value,
                sort,
                limit,
                body,
            } => {
                self.foreach_histogram(
                    (stat, *histogram),
                    (*bucket, *value),
                    *sort,
                    limit.as_ref(),
                    body,
                    statement.at,
                )?;
                self.end_statement(is_last);
            }
            StmtKind::Break => self.line("break;"),
            StmtKind::Continue => match self.continue_labels.last().cloned().flatten() {
                Some(label) => self.jump(&label),
                None => self.line("continue;"),
            },
            StmtKind::Return(value) => self.return_value(value.as_ref(), is_last)?,
            StmtKind::Next => {
                if self.function.is_some() {
                    self.info.may_say_next = true;
                    self.line("c->next = 1;");
                }
                self.leave();
            }
            StmtKind::DeleteGlobal(id) => self.delete_global(*id)?,
            StmtKind::DeleteLocal(id) => {
                let name = self.local(*id).to_owned();
                match self.locals.get(*id).map(|local| local.ty) {
                    Some(Type::String) => self.line(format!("{name} = RST_LITERAL(\"\");")),
                    _ => self.line(format!("{name} = 0;")),
                }
            }
            StmtKind::DeleteElement { array, keys } => {
                self.delete_element(*array, keys)?;
                self.end_statement(is_last);
            }
            StmtKind::Try { body, error, catch } => {
                self.try_catch(body, *error, catch, statement.at)?;
            }
        }
        Ok(())
    }

    /// A condition as C text; scratch memory that it took is free again.
    fn condition(&mut self, condition: &Expr) -> Result<String> {
        let value = self.expression(condition)?;
        if self.level > self.base_level {
            let value = self.save(value)?;
            self.end_statement(false);
            return Ok(value.text);
        }
        Ok(bare(&value.text).to_owned())
    }

    fn branches(
        &mut self,
        condition: &Expr,
        then: &[Stmt],
        otherwise: &[Stmt],
        is_last: bool,
        takes_locks: bool,
    ) -> Result<()> {
        let condition = self.condition(condition)?;
        let level = self.base_level;
        self.out.open(format!("if ({condition})"));
        self.takes_locks = takes_locks;
        self.block(then, is_last)?;
        let after_then = self.base_level;
        if !otherwise.is_empty() {
            (self.base_level, self.level) = (level, level);
            self.out.otherwise();
            self.takes_locks = takes_locks;
            self.block(otherwise, is_last)?;
        }
        self.takes_locks = false;
        // Either branch may have kept strings.
        self.base_level = self.base_level.max(after_then);
        self.level = self.base_level;
        self.out.close("");
        Ok(())
    }

    fn while_loop(
        &mut self,
        condition: Option<&Expr>,
        step: Option<&Expr>,
        body: &[Stmt],
        at: LocationId,
    ) -> Result<()> {
        self.loops += 1;
        self.out.open("for (;;)");
        if let Some(condition) = condition {
            let text = self.condition(condition)?;
            self.line(format!("if (!({text}))"));
            self.line("\tbreak;");
        }
        if self.counts_statements && body.is_empty() {
            self.line("c->actions -= 1;");
            let at = condition.or(step).map_or(at, |e| e.at);
            self.fail_if("c->actions < 0", "MAXACTION exceeded", at);
        }
        let label = step.map(|_| self.new_label("next"));
        self.continue_labels.push(label.clone());
        self.block(body, false)?;
        self.continue_labels.pop();
        if let (Some(step), Some(label)) = (step, label) {
            if self.is_used(&label) {
                self.out.label(&label);
            }
            self.effect(step, true)?;
            self.end_statement(false);
        }
        self.out.close("");
        self.loops -= 1;
        Ok(())
    }

    fn return_value(&mut self, value: Option<&Expr>, is_last: bool) -> Result<()> {
        let returns = self
            .function
            .map(|id| self.unit.program.functions[id].returns);
        if let Some(value) = value {
            if matches!(returns, Some(Type::Void) | None) {
                self.effect(value, false)?;
            } else {
                let value = self.expression(value)?;
                let text = bare(&value.text).to_owned();
                if returns == Some(Type::String) && !self.outlives(&value) {
                    self.info.needs_result = true;
                    self.line(format!("value = rst_string_copy(c, result, {text});"));
                } else {
                    self.line(format!("value = {text};"));
                }
            }
            self.level = self.base_level;
            self.keeps_scratch = false;
        }
        if !is_last {
            self.leave();
        }
        Ok(())
    }

    /// Whether a string can be given to the caller as it is.
    fn outlives(&mut self, value: &Value) -> bool {
        if value.home != Home::Outside {
            return false;
        }
        if value.reads.locals.iter().any(|id| self.is_parameter(*id)) {
            self.info.returns_argument = true;
        }
        true
    }

    fn try_catch(
        &mut self,
        body: &[Stmt],
        error: Option<LocalId>,
        catch: &[Stmt],
        at: LocationId,
    ) -> Result<()> {
        let caught = self.new_label("catch");
        let done = self.new_label("caught");
        let outer = std::mem::replace(&mut self.fail_label, caught.clone());
        self.block(body, false)?;
        self.fail_label = outer;
        if !self.is_used(&caught) {
            return Ok(());
        }
        self.jump(&done);
        self.out.label(&caught);
        let base = self.base_variable();
        self.out.open("if (c->aborted)");
        self.fail_jump();
        self.out.close("");
        self.line(format!("rst_scratch_release(c, {base});"));
        match error {
            Some(error) => {
                let text = self.temporary(Type::String);
                self.line(format!("{text} = rst_catch(c);"));
                self.take_strings(1);
                self.assign_string(error, &Value::string(text, Home::Statement), at);
                self.end_statement(false);
            }
            None => {
                self.take_strings(1);
                self.line("rst_catch(c);");
                self.end_statement(false);
            }
        }
        self.block(catch, false)?;
        self.out.label(&done);
        Ok(())
    }
}

/// Whether the statements after this one may not run, or not now.
fn is_control(statement: &Stmt) -> bool {
    !matches!(
        statement.kind,
        StmtKind::Expr(_)
            | StmtKind::DeleteGlobal(_)
            | StmtKind::DeleteLocal(_)
            | StmtKind::DeleteElement { .. }
    )
}
