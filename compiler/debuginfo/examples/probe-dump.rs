// SPDX-License-Identifier: GPL-2.0-or-later

//! Prints what this crate knows, for checks by hand:
//! `probe-dump [--sysroot DIR] RELEASE [--in MODULE] COMMAND…`, where a command is
//! `paths`, `list PATTERN[@FILE]` (as `stap -L kernel.function` does), `fn NAME`,
//! `at NAME OFFSET`, `type NAME`, `member TYPE NAME`, `enum NAME`, `global NAME`.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use rstap_debuginfo::{
    DebugInfo, Function, FunctionKind, FunctionQuery, KernelPaths, KernelRequest, ModuleId,
    ModuleKind, TypeKind, VariableKind,
};

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let mut request = KernelRequest::default();
    let mut module = "kernel".to_string();
    let mut words = std::env::args().skip(1).peekable();
    let take = |words: &mut std::iter::Peekable<_>| words.next().ok_or("a word is missing");
    if words.next_if(|word| word == "--sysroot").is_some() {
        request.sysroot = Some(PathBuf::from(take(&mut words)?));
    }
    request.release = Some(take(&mut words)?).filter(|release| release != "-");
    request.debuginfo_path = std::env::var("SYSTEMTAP_DEBUGINFO_PATH").ok();
    if words.next_if(|word| word == "--in").is_some() {
        module = take(&mut words)?;
    }
    let start = Instant::now();
    let info = DebugInfo::open(KernelPaths::locate(&request)?)?;
    let command = take(&mut words)?;
    let rest: Vec<String> = words.collect();
    let argument = |at: usize| {
        rest.get(at)
            .map(String::as_str)
            .ok_or("an argument is missing")
    };
    if command == "paths" {
        println!("{:#?}", info.paths());
        return Ok(());
    }
    let module = info.module(&module)?;
    match command.as_str() {
        "list" => list(&info, module, argument(0)?)?,
        "count" => println!("{}", info.functions(module, &query(argument(0)?))?.len()),
        "fn" => show(&info, module, argument(0)?, 0)?,
        "at" => show(&info, module, argument(0)?, argument(1)?.parse()?)?,
        "type" => {
            let id = info
                .type_by_name(module, argument(0)?)?
                .ok_or("no such type")?;
            println!("{} {:#?}", info.type_name(id), info.type_of(id)?);
        }
        "struct" => {
            let id = info
                .type_by_name(module, argument(0)?)?
                .ok_or("no such type")?;
            println!("{} size {}", info.type_name(id), info.size_of(id)?);
            for member in info.members(id)? {
                let bits = member
                    .bit_field
                    .map_or(String::new(), |bits| format!(" {bits:?}"));
                let name = info.type_name(member.type_id);
                println!("{:6} {}: {name}{bits}", member.byte_offset, member.name);
            }
        }
        "member" => {
            let id = info
                .type_by_name(module, argument(0)?)?
                .ok_or("no such type")?;
            println!("{:#?}", info.member(id, argument(1)?)?);
        }
        "enum" => println!("{:?}", info.enumerator(module, argument(0)?)?),
        "global" => {
            for variable in info.globals(module, argument(0)?, None)? {
                let name = info.type_name(variable.type_id);
                let location = info.global_location(&variable)?;
                println!("{}:{name} {location:?}", variable.name);
            }
        }
        "lines" => {
            let line: u32 = argument(1)?.parse()?;
            for row in info.lines(module, argument(0)?, line..=line)? {
                println!(
                    "{} {:x} {}",
                    row.position, row.address.value, row.is_statement
                );
            }
        }
        "body" => {
            for function in info.functions(module, &query(argument(0)?))? {
                println!(
                    "{} {:?}",
                    point(&info, &function)?,
                    info.probeable(&function)?
                );
                if function.source != rstap_debuginfo::Source::Dwarf {
                    continue;
                }
                for row in info.lines_of(&function)? {
                    println!("  {:x} {}", row.address.value, row.position);
                }
                println!("  {:?}", info.labels(&function, "*")?);
                println!("  {:?}", info.call_sites(&function)?);
            }
        }
        "probeable" => {
            let mut counts = BTreeMap::<String, u32>::new();
            for function in info.functions(module, &query(argument(0)?))? {
                if function.kind == FunctionKind::Concrete {
                    let kind = match info.probeable(&function)? {
                        rstap_debuginfo::Probeable::Ftrace(_) => "ftrace".to_string(),
                        other => format!("{other:?}"),
                    };
                    *counts.entry(kind).or_default() += 1;
                }
            }
            println!("{counts:#?}");
        }
        "files" => println!("{:#?}", info.source_files(module, argument(0)?)?),
        "trace" => {
            for tracepoint in info.tracepoints(module, argument(0)?)? {
                print!(
                    "kernel.trace(\"{}:{}\")",
                    tracepoint.system, tracepoint.name
                );
                for one in tracepoint.arguments.as_deref().unwrap_or_default() {
                    print!(" ${}:{}", one.name, info.type_name(one.type_id));
                }
                println!();
            }
        }
        other => return Err(format!("unknown command {other}").into()),
    }
    eprintln!("{:?}", start.elapsed());
    Ok(())
}

fn query(pattern: &str) -> FunctionQuery {
    let (name, file) = match pattern.split_once('@') {
        Some((name, file)) => (name, Some(file.to_string())),
        None => (pattern, None),
    };
    FunctionQuery {
        name: name.to_string(),
        file,
        inlined: true,
        one_of_each: false,
    }
}

fn point(info: &DebugInfo, function: &Function) -> Result<String, Box<dyn Error>> {
    let family = match info.module_kind(function.entry.module)? {
        ModuleKind::Kernel => "kernel".to_string(),
        ModuleKind::Module => {
            format!("module(\"{}\")", info.module_name(function.entry.module))
        }
        ModuleKind::Binary => {
            format!("process(\"{}\")", info.module_name(function.entry.module))
        }
    };
    let place = function
        .declaration
        .as_ref()
        .map_or(String::new(), |place| format!("@{place}"));
    Ok(format!("{family}.function(\"{}{place}\")", function.name))
}

/// As `stap -L` does it: of several places with one name, what all have.
fn list(info: &DebugInfo, module: ModuleId, pattern: &str) -> Outcome {
    let mut lines: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for function in info.functions(module, &query(pattern))? {
        let mut variables = Vec::new();
        for variable in info.variables_at(&function, function.entry.value)? {
            if variable.available && variable.scope_depth == 0 {
                let name = info.type_name(variable.type_id);
                variables.push(format!("${}:{name}", variable.name));
            }
        }
        match lines.entry(point(info, &function)?) {
            std::collections::btree_map::Entry::Vacant(entry) => {
                entry.insert(variables);
            }
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                entry
                    .get_mut()
                    .retain(|variable| variables.contains(variable));
            }
        }
    }
    for (point, variables) in lines {
        println!("{} {}", point, variables.join(" "));
    }
    Ok(())
}

fn show(info: &DebugInfo, module: ModuleId, pattern: &str, offset: u64) -> Outcome {
    for function in info.functions(module, &query(pattern))? {
        println!(
            "{} {:?} {:x?}",
            point(info, &function)?,
            function.kind,
            function.entry.value
        );
        println!(
            "  symbol {} ranges {:x?}",
            function.linkage_name, function.ranges
        );
        if function.kind == FunctionKind::Inlined {
            println!("  inlined into {:?}", function.inlined_into);
        }
        println!("  {:?}", info.placement(function.entry)?);
        if let Some(prototype) = info.prototype(&function)? {
            println!("  returns {}", info.type_name(prototype.return_type));
        }
        let pc = function.entry.value.wrapping_add(offset);
        for variable in info.variables_at(&function, pc)? {
            let name = info.type_name(variable.type_id);
            let kind = if variable.kind == VariableKind::Parameter {
                "parm"
            } else {
                "local"
            };
            println!(
                "  {kind} ${}:{name} {:?}",
                variable.name,
                info.location(&function, &variable, pc)?
            );
            let target = info.type_of(info.strip(variable.type_id)?)?;
            if matches!(target.kind, TypeKind::Unknown(_)) {
                println!("    {target:?}");
            }
        }
    }
    Ok(())
}
