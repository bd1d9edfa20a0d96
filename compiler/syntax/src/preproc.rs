// SPDX-License-Identifier: GPL-2.0-or-later
//! Tokens to tokens: macros and conditionals.
//!
//! One pass from left to right. A macro's parameters are closures: an argument is expanded where
//! the parameter stands, with the names that were visible at the call. Only the branch of a
//! conditional that is taken is looked at.

mod condition;
mod macros;

use std::collections::HashMap;
use std::sync::Arc;

use crate::diag::Diagnostic;
use crate::environment::Environment;
use crate::lexer::{self, LexOptions, Token, TokenKind};
use crate::span::{Expansion, ExpansionId, ExpansionKind, FileId, SourceMap, Span};

/// Macros and conditionals inside one another. SystemTap has no limit and dies of its stack.
const MAX_DEPTH: usize = 128;
/// Tokens of one file after expansion; a few nested macros can double a text without end.
const MAX_TOKENS: usize = 4_000_000;
/// Expansions in one file, for macros that expand to nothing.
const MAX_EXPANSIONS: usize = 1_000_000;

/// Operators that a macro may hide, with a warning.
const BUILTIN_OPERATORS: [&str; 25] = [
    "cast",
    "const",
    "count",
    "sum",
    "min",
    "max",
    "avg",
    "variance",
    "hist_linear",
    "hist_log",
    "defined",
    "entry",
    "perf",
    "var",
    "avg",
    "probewrite",
    "kregister",
    "uregister",
    "kderef",
    "uderef",
    "enum",
    "enumname",
    "define",
    "kderef",
    "uderef",
];

/// A macro.
#[derive(Clone, Debug)]
pub struct Macro {
    /// Place of the name in its definition.
    pub span: Span,
    params: Option<Vec<String>>,
    body: Vec<Token>,
}

/// Macros of the library, by name without `@`.
#[derive(Clone, Debug, Default)]
pub struct LibraryMacros {
    macros: HashMap<String, Arc<Macro>>,
}

impl LibraryMacros {
    /// The macro with this name.
    pub fn get(&self, name: &str) -> Option<&Macro> {
        self.macros.get(name).map(|found| &**found)
    }

    /// Names of all macros, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.macros.keys().map(String::as_str)
    }

    /// How many macros there are.
    pub fn len(&self) -> usize {
        self.macros.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.macros.is_empty()
    }
}

/// What comes out of the preprocessor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Preprocessed {
    pub tokens: Vec<Token>,
    pub diagnostics: Vec<Diagnostic>,
    pub used_args: Vec<usize>,
    /// The file has no token at all.
    pub empty: bool,
    /// A limit was hit: the tokens end too early.
    pub exhausted: bool,
}

/// Expands a file of the map.
pub(crate) fn preprocess(
    sources: &mut SourceMap,
    file: FileId,
    environment: &Environment<'_>,
    library: &LibraryMacros,
    args: &[String],
) -> Preprocessed {
    let (out, _) = run(sources, file, environment, library, args);
    out
}

/// Reads a library macro file (`*.stpm`): its macros are added to `library`. Such a file may
/// hold nothing but `@define`s and conditionals around them.
pub fn parse_library_macros(
    sources: &mut SourceMap,
    name: &str,
    text: &str,
    environment: &Environment<'_>,
    library: &mut LibraryMacros,
) -> Vec<Diagnostic> {
    let file = sources.add(name, text);
    let (mut out, local) = run(sources, file, environment, library, &[]);
    if let Some(token) = out.tokens.first() {
        let text = "library macro file contains a token other than a macro definition";
        out.diagnostics.push(
            Diagnostic::parse_error("E0120", text, token.span)
                .blame()
                .hint("put functions and probes into a file whose name ends in .stp"),
        );
    }
    for (name, definition) in local {
        if let Some(first) = library.macros.get(&name) {
            let text = format!("duplicate definition of library macro '@{name}'");
            out.diagnostics.push(
                Diagnostic::parse_error("E0121", text, definition.span)
                    .blame()
                    .label(first.span, format!("macro '@{name}' first defined here")),
            );
            continue;
        }
        library.macros.insert(name, definition);
    }
    out.diagnostics
}

fn run(
    sources: &mut SourceMap,
    file: FileId,
    environment: &Environment<'_>,
    library: &LibraryMacros,
    args: &[String],
) -> (Preprocessed, HashMap<String, Arc<Macro>>) {
    let private_is_name = !environment.speaks("3.0");
    let lexed = lexer::lex(
        sources,
        file,
        LexOptions {
            args,
            private_is_name,
        },
    );
    // Most files have neither macros nor conditionals.
    let mut preprocessor = Preprocessor {
        sources,
        environment,
        library,
        local: HashMap::new(),
        tokens: Vec::with_capacity(lexed.tokens.len()),
        diagnostics: lexed.diagnostics,
        expansions: 0,
        args: args.len(),
        exhausted: false,
    };
    preprocessor.expand(&lexed.tokens, &Scope::FILE, 0);
    let out = Preprocessed {
        tokens: preprocessor.tokens,
        diagnostics: preprocessor.diagnostics,
        used_args: lexed.used_args.into_iter().collect(),
        empty: lexed.tokens.is_empty(),
        exhausted: preprocessor.exhausted,
    };
    (out, preprocessor.local)
}

/// The parameters that `@name` may mean, and the expansion that tokens belong to.
struct Scope<'a> {
    /// Macro whose body this is; empty for the file.
    name: &'a str,
    params: &'a [String],
    args: &'a [&'a [Token]],
    /// Where the arguments were written.
    caller: Option<&'a Scope<'a>>,
    /// Expansion that produces the tokens of this scope.
    expansion: ExpansionId,
}

impl Scope<'_> {
    const FILE: Scope<'static> = Scope {
        name: "",
        params: &[],
        args: &[],
        caller: None,
        expansion: ExpansionId::NONE,
    };

    /// Whether this is the body of a macro, or called from there.
    fn is_inside(&self, name: &str) -> bool {
        self.name == name || self.caller.is_some_and(|caller| caller.is_inside(name))
    }
}

struct Preprocessor<'a, 'e> {
    sources: &'a mut SourceMap,
    environment: &'a Environment<'e>,
    library: &'a LibraryMacros,
    local: HashMap<String, Arc<Macro>>,
    tokens: Vec<Token>,
    diagnostics: Vec<Diagnostic>,
    expansions: usize,
    /// How many arguments the script has.
    args: usize,
    /// A limit was hit and reported; nothing more is expanded.
    exhausted: bool,
}

impl Preprocessor<'_, '_> {
    fn word(&self, token: Token) -> &str {
        self.sources.text(token.span)
    }

    /// Whether a token is this operator.
    fn is(&self, token: Option<&Token>, operator: &str) -> bool {
        token
            .is_some_and(|&token| token.kind == TokenKind::Operator && self.word(token) == operator)
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// Appends the expansion of `tokens` to the output.
    fn expand(&mut self, tokens: &[Token], scope: &Scope<'_>, depth: usize) {
        let mut at = 0;
        while let Some(&token) = tokens.get(at) {
            if self.exhausted {
                return;
            }
            if token.kind != TokenKind::Operator || token.span.end == token.span.start + 1 {
                self.emit(token, scope);
                at += 1;
                continue;
            }
            let word = self.word(token);
            at = match word {
                "%(" => self.conditional(tokens, at, scope, depth),
                "%?" | "%:" | "%)" => {
                    let text = "incomplete conditional - missing '%('";
                    let span = self.placed(token.span, scope);
                    self.report(Diagnostic::parse_error("E0113", text, span).blame());
                    at + 1
                }
                _ if word.starts_with('@') => {
                    let name = word.get(1..).unwrap_or("").to_owned();
                    self.at_word(tokens, at, &name, scope, depth)
                }
                _ => {
                    self.emit(token, scope);
                    at + 1
                }
            };
        }
    }

    fn emit(&mut self, token: Token, scope: &Scope<'_>) {
        let span = self.placed(token.span, scope);
        let kind = match token.kind {
            TokenKind::BadArgument => {
                self.report_argument(span);
                // A string may stand nearly everywhere: one error is enough.
                TokenKind::RawString
            }
            kind => kind,
        };
        self.tokens.push(Token { kind, span });
        if self.tokens.len() > MAX_TOKENS {
            self.limit(
                span,
                format!("macros expand to more than {MAX_TOKENS} tokens"),
            );
        }
    }

    /// Says why a `$1` has no text.
    fn report_argument(&mut self, span: Span) {
        let mut chain = self.sources.expansion_chain(span);
        let nested = chain.any(|step| step.kind == ExpansionKind::Argument);
        drop(chain);
        let (code, text) = if nested {
            let text = "invalid nested substitution of command line arguments";
            ("E0105", text.to_owned())
        } else {
            let count = self.args;
            (
                "E0104",
                format!("command line argument out of range [1-{count}]"),
            )
        };
        self.report(Diagnostic::parse_error(code, text, span).blame_as("junk ''"));
    }

    fn limit(&mut self, span: Span, text: String) {
        if !self.exhausted {
            self.exhausted = true;
            self.report(Diagnostic::parse_error("E0119", text, span).blame());
        }
    }

    /// The span of a token that is seen through the scope's expansion.
    fn placed(&mut self, span: Span, scope: &Scope<'_>) -> Span {
        if scope.expansion == ExpansionId::NONE || span.expansion == scope.expansion {
            return span;
        }
        let first = self.sources.expansion_chain(span).next().cloned();
        let expansion = match first {
            // An argument of the command line inside a macro's body: keep both steps.
            Some(paste) if paste.kind == ExpansionKind::Argument => {
                let call = Span {
                    expansion: scope.expansion,
                    ..paste.call
                };
                self.sources.add_expansion(Expansion { call, ..paste })
            }
            _ => scope.expansion,
        };
        Span { expansion, ..span }
    }

    /// A new expansion for `name` called at `call`; `None` when a limit is hit.
    fn begin(
        &mut self,
        kind: ExpansionKind,
        name: &str,
        call: Span,
        depth: usize,
    ) -> Option<ExpansionId> {
        self.expansions += 1;
        if depth > MAX_DEPTH {
            self.limit(
                call,
                format!("macros are nested more than {MAX_DEPTH} deep"),
            );
        }
        if self.expansions > MAX_EXPANSIONS {
            self.limit(call, format!("more than {MAX_EXPANSIONS} macro calls"));
        }
        let name = format!("@{name}").into();
        (!self.exhausted).then(|| self.sources.add_expansion(Expansion { kind, name, call }))
    }
}

#[cfg(test)]
mod tests;
