// SPDX-License-Identifier: GPL-2.0-or-later
//! Making a program smaller for as long as it behaves otherwise than it should.

use super::program::{Expression, Program, Statement};

/// Each round is a boot of the virtual machine.
const ROUNDS: usize = 12;
/// Programs that are tried in a round.
const TRIED: usize = 10;

/// A program that behaves otherwise, and why.
pub struct Small {
    pub program: Program,
    pub reasons: Vec<String>,
}

/// The smallest program found that fails as `program` does. `test` tells why each of some programs
/// fails, if it does.
pub fn smallest(
    program: &Program,
    reasons: &[String],
    test: impl Fn(&[Program]) -> Result<Vec<Option<Vec<String>>>, String>,
) -> Result<Small, String> {
    let mut small = Small {
        program: program.clone(),
        reasons: reasons.to_vec(),
    };
    // What does not compile shall not become what runs wrongly, nor the other way round.
    let kind = |reasons: &[String]| reasons.iter().any(|text| text.contains("semantic error"));
    let wanted = kind(reasons);
    for _ in 0..ROUNDS {
        let mut candidates = without_one(&small.program);
        if candidates.is_empty() {
            break;
        }
        // The largest cuts first.
        candidates.sort_by_key(size);
        let step = candidates.len().div_ceil(TRIED);
        let tried: Vec<Program> = candidates.into_iter().step_by(step).collect();
        let found = test(&tried)?;
        let better = tried.into_iter().zip(found).find_map(|(program, reasons)| {
            let reasons = reasons.filter(|reasons| kind(reasons) == wanted)?;
            Some(Small { program, reasons })
        });
        match better {
            Some(better) => small = better,
            None if step == 1 => break,
            None => {}
        }
    }
    Ok(small)
}

/// How much there is in a program.
fn size(program: &Program) -> usize {
    super::text::script(program).len()
}

/// All programs with one statement less, or one statement replaced by what is in it.
fn without_one(program: &Program) -> Vec<Program> {
    let mut found = Vec::new();
    for index in 0..program.probes.len() {
        for body in smaller(&program.probes[index]) {
            let mut less = program.clone();
            less.probes[index] = body;
            found.push(less);
        }
    }
    for index in 0..program.functions.len() {
        for body in smaller(&program.functions[index].body) {
            let mut less = program.clone();
            less.functions[index].body = body;
            found.push(less);
        }
    }
    found
}

/// The bodies with something less.
fn smaller(body: &[Statement]) -> Vec<Vec<Statement>> {
    let mut found = Vec::new();
    // Halves first: most of a program has nothing to do with it.
    if body.len() > 3 {
        found.push(body[..body.len() / 2].to_vec());
        found.push(body[body.len() / 2..].to_vec());
    }
    for (index, statement) in body.iter().enumerate() {
        let with = |new: Vec<Statement>| {
            let before = body[..index].iter().cloned();
            let after = body[index + 1..].iter().cloned();
            before.chain(new).chain(after).collect::<Vec<Statement>>()
        };
        found.push(with(Vec::new()));
        for new in simpler(statement) {
            found.push(with(new));
        }
    }
    found
}

/// What can stand instead of a statement.
fn simpler(statement: &Statement) -> Vec<Vec<Statement>> {
    let mut found = Vec::new();
    match statement {
        Statement::If(condition, yes, no) => {
            let rest = no.clone().unwrap_or_default();
            found.extend([yes.clone(), rest]);
            found.push(vec![Statement::Expression(condition.clone())]);
            for less in smaller(yes) {
                found.push(vec![Statement::If(condition.clone(), less, no.clone())]);
            }
            for less in no.iter().flat_map(|no| smaller(no)) {
                found.push(vec![Statement::If(
                    condition.clone(),
                    yes.clone(),
                    Some(less),
                )]);
            }
        }
        Statement::While {
            counter,
            most,
            condition,
            body,
        } => {
            for body in smaller(body) {
                found.push(vec![Statement::While {
                    counter: *counter,
                    most: *most,
                    condition: condition.clone(),
                    body,
                }]);
            }
        }
        Statement::For {
            counter,
            most,
            body,
        } => {
            for body in smaller(body) {
                found.push(vec![Statement::For {
                    counter: *counter,
                    most: *most,
                    body,
                }]);
            }
        }
        Statement::Foreach(foreach) => {
            for body in smaller(&foreach.body) {
                let mut less = foreach.clone();
                less.body = body;
                found.push(vec![Statement::Foreach(less)]);
            }
        }
        Statement::Try(body, message, handler) => {
            found.push(body.clone());
            for less in smaller(body) {
                found.push(vec![Statement::Try(less, *message, handler.clone())]);
            }
            for less in smaller(handler) {
                found.push(vec![Statement::Try(body.clone(), *message, less)]);
            }
        }
        Statement::Expression(Expression::Call(_, arguments)) => {
            let each = arguments.iter().cloned();
            found.extend(each.map(|argument| vec![Statement::Expression(argument)]));
        }
        _ => {}
    }
    found
}
