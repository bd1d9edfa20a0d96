// SPDX-License-Identifier: GPL-2.0-or-later
//! A real kernel, through `rstap_debuginfo`.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rstap_debuginfo::{
    Address, Callee, CarriedFrame, CarriedLine, CarriedSymbol, DebugInfo, Error, Function,
    FunctionQuery, KernelPaths, Label, LineAddress, Location, Marker, MemberPath, ModuleId,
    Placement, PltEntry, Probeable, Prototype, Result, Symbol, Tracepoint, Type, TypeId, Variable,
    VariableKind, glob,
};

use super::Target;

/// The kernel whose files were located. They are opened at the first question.
pub struct RealTarget {
    paths: KernelPaths,
    opened: OnceCell<Result<DebugInfo>>,
}

impl RealTarget {
    pub fn new(paths: KernelPaths) -> RealTarget {
        RealTarget {
            paths,
            opened: OnceCell::new(),
        }
    }

    /// The opened files.
    pub fn debug_info(&self) -> Result<&DebugInfo> {
        let opened = self
            .opened
            .get_or_init(|| DebugInfo::open(self.paths.clone()));
        opened.as_ref().map_err(Clone::clone)
    }

    /// The files of a kernel that were opened already; `None` if no question needed one.
    pub fn if_opened(&self) -> Option<&DebugInfo> {
        self.opened.get()?.as_ref().ok()
    }
}

impl RealTarget {
    /// The first file of this name: a path, or a name in one of the directories.
    fn find_file(&self, name: &str, directories: Vec<PathBuf>) -> Option<String> {
        let names: Vec<PathBuf> = if name.contains('/') {
            vec![PathBuf::from(name)]
        } else {
            let directories = directories.iter();
            directories.map(|directory| directory.join(name)).collect()
        };
        // An unpacked kernel has no programs: those of this machine run on it.
        let roots = [self.paths.sysroot.as_path(), Path::new("/")];
        let below = |root: &Path, path: &PathBuf| match path.strip_prefix("/") {
            Ok(relative) => root.join(relative),
            Err(_) => path.clone(),
        };
        let mut candidates = roots
            .iter()
            .flat_map(|root| names.iter().map(move |path| below(root, path)));
        let path = candidates.find(|path| path.is_file())?;
        let path = path.canonicalize().unwrap_or(path);
        Some(path.to_string_lossy().into_owned())
    }
}

/// Directories that the dynamic linker's configuration names, in order. Patterns of
/// `include` may have a wildcard in the file's name (`ldconfig(8)`).
fn configured_libraries(file: &Path, depth: u32, directories: &mut Vec<PathBuf>) {
    const DEEPEST: u32 = 8;
    let Ok(text) = std::fs::read_to_string(file) else {
        return;
    };
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let Some(pattern) = line.strip_prefix("include ") else {
            if line.starts_with('/') {
                directories.push(PathBuf::from(line));
            }
            continue;
        };
        let pattern = Path::new(pattern.trim());
        let (Some(directory), Some(name)) = (pattern.parent(), pattern.file_name()) else {
            continue;
        };
        let name = name.to_string_lossy();
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        let mut included: Vec<PathBuf> = entries
            .filter(|entry| glob::matches(&name, &entry.file_name().to_string_lossy()))
            .map(|entry| entry.path())
            .collect();
        included.sort();
        for file in included.iter().filter(|_| depth < DEEPEST) {
            configured_libraries(file, depth + 1, directories);
        }
    }
}

/// Files whose path matches, component by component.
fn files_matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let text = component.as_os_str().to_string_lossy();
        if !glob::is_pattern(&text) {
            found.iter_mut().for_each(|path| path.push(component));
            continue;
        }
        let entries = found
            .iter()
            .map(|folder| match folder.as_os_str().is_empty() {
                true => Path::new("."),
                false => folder,
            })
            .flat_map(|folder| std::fs::read_dir(folder).into_iter().flatten().flatten())
            .filter(|entry| glob::matches(&text, &entry.file_name().to_string_lossy()));
        found = entries.map(|entry| entry.path()).collect();
    }
    found.retain(|path| path.is_file());
    found
}

impl Target for RealTarget {
    fn release(&self) -> String {
        self.paths.release.clone()
    }

    fn module(&self, name: &str) -> Result<ModuleId> {
        self.debug_info()?.module(name)
    }

    fn module_names(&self, glob: &str) -> Vec<String> {
        self.debug_info()
            .map(|info| info.module_names(glob))
            .unwrap_or_default()
    }

    fn module_name(&self, module: ModuleId) -> String {
        self.debug_info()
            .map(|info| info.module_name(module))
            .unwrap_or_default()
    }

    fn program(&self, name: &str) -> Result<String> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        self.find_file(name, std::env::split_paths(&search).collect())
            .ok_or_else(|| Error::new(format!("no program '{name}'")))
    }

    fn programs(&self, pattern: &str) -> Vec<String> {
        let search = std::env::var_os("PATH").unwrap_or_default();
        let patterns: Vec<PathBuf> = match pattern.contains('/') {
            true => vec![PathBuf::from(pattern)],
            false => std::env::split_paths(&search)
                .map(|directory| directory.join(pattern))
                .collect(),
        };
        let found = patterns.iter().flat_map(|pattern| files_matching(pattern));
        let found = found.filter(|path| rstap_debuginfo::is_elf(path));
        let found = found.filter_map(|path| path.canonicalize().ok());
        let found: BTreeSet<String> = found
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        found.into_iter().collect()
    }

    fn program_with_build_id(&self, id: &str, first: Option<&str>) -> Result<String> {
        let id = id.to_ascii_lowercase();
        let named = id.split_at_checked(2).map(|(head, rest)| {
            PathBuf::from("/usr/lib/debug/.build-id")
                .join(head)
                .join(rest)
        });
        let entries = |directory: &Path| {
            std::fs::read_dir(directory)
                .into_iter()
                .flatten()
                .flatten()
                .map(|entry| entry.path())
                .collect::<Vec<_>>()
        };
        let running = entries(Path::new("/proc")).into_iter();
        let running = running.map(|process| process.join("exe"));
        let search = std::env::var_os("PATH").unwrap_or_default();
        let directories: Vec<PathBuf> = std::env::split_paths(&search).collect();
        let installed = directories.iter().flat_map(|path| entries(path));
        let mut candidates = first
            .map(PathBuf::from)
            .into_iter()
            .chain(named)
            .chain(running)
            .chain(installed);
        let found = candidates.find(|path| {
            path.is_file() && rstap_debuginfo::build_id_of(path).is_some_and(|known| known == id)
        });
        match found.and_then(|path| path.canonicalize().ok()) {
            Some(path) => Ok(path.to_string_lossy().into_owned()),
            None => Err(Error::new(format!(
                "no program with the build-id {id} runs or is in $PATH"
            ))),
        }
    }

    fn library(&self, name: &str) -> Result<String> {
        let search = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        let mut directories: Vec<PathBuf> = std::env::split_paths(&search)
            .filter(|directory| !directory.as_os_str().is_empty())
            .collect();
        configured_libraries(Path::new("/etc/ld.so.conf"), 0, &mut directories);
        directories.extend(["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(PathBuf::from));
        self.find_file(name, directories)
            .ok_or_else(|| Error::new(format!("no library '{name}'")))
    }

    fn file_offset(&self, address: Address) -> Result<u64> {
        self.debug_info()?.file_offset(address)
    }

    fn functions(&self, module: ModuleId, query: &FunctionQuery) -> Result<Vec<Function>> {
        self.debug_info()?.functions(module, query)
    }

    fn prototype(&self, function: &Function) -> Result<Option<Prototype>> {
        self.debug_info()?.prototype(function)
    }

    fn variables_at(&self, function: &Function, pc: u64) -> Result<Vec<Variable>> {
        self.debug_info()?.variables_at(function, pc)
    }

    fn location(
        &self,
        function: Option<&Function>,
        variable: &Variable,
        pc: u64,
    ) -> Result<Location> {
        let info = self.debug_info()?;
        match function {
            Some(function) if variable.kind != VariableKind::Global => {
                info.location(function, variable, pc)
            }
            _ => info.global_location(variable),
        }
    }

    fn labels(&self, function: &Function, glob: &str) -> Result<Vec<Label>> {
        self.debug_info()?.labels(function, glob)
    }

    fn callees(&self, function: &Function) -> Result<Vec<Callee>> {
        self.debug_info()?.callees(function)
    }

    fn frame_at(&self, address: Address) -> Option<(u16, i64)> {
        self.debug_info().ok()?.frame_at(address)
    }

    fn function_at(&self, address: Address, inlined: bool) -> Result<Option<Function>> {
        self.debug_info()?.function_at(address, inlined)
    }

    fn lines(
        &self,
        module: ModuleId,
        file: &str,
        first: u32,
        last: u32,
    ) -> Result<Vec<LineAddress>> {
        self.debug_info()?.lines(module, file, first..=last)
    }

    fn lines_of(&self, function: &Function) -> Result<Vec<LineAddress>> {
        self.debug_info()?.lines_of(function)
    }

    fn type_of(&self, id: TypeId) -> Result<Arc<Type>> {
        self.debug_info()?.type_of(id)
    }

    fn type_name(&self, id: TypeId) -> String {
        self.debug_info()
            .map(|info| info.type_name(id))
            .unwrap_or_default()
    }

    fn type_by_name(&self, module: ModuleId, name: &str) -> Result<Option<TypeId>> {
        self.debug_info()?.type_by_name(module, name)
    }

    fn size_of(&self, id: TypeId) -> Result<u64> {
        self.debug_info()?.size_of(id)
    }

    fn strip(&self, id: TypeId) -> Result<TypeId> {
        self.debug_info()?.strip(id)
    }

    fn member(&self, id: TypeId, name: &str) -> Result<Option<MemberPath>> {
        self.debug_info()?.member(id, name)
    }

    fn enumerator(&self, module: ModuleId, name: &str) -> Result<Option<i64>> {
        self.debug_info()?.enumerator(module, name)
    }

    fn globals(&self, module: ModuleId, name: &str, unit: Option<&str>) -> Result<Vec<Variable>> {
        self.debug_info()?.globals(module, name, unit)
    }

    fn tracepoints(&self, module: ModuleId, glob: &str) -> Result<Vec<Tracepoint>> {
        self.debug_info()?.tracepoints(module, glob)
    }

    fn markers(&self, module: ModuleId) -> Result<Vec<Marker>> {
        self.debug_info()?.markers(module)
    }

    fn plt(&self, module: ModuleId) -> Result<Vec<PltEntry>> {
        self.debug_info()?.plt(module)
    }

    fn carried_symbols(&self, module: ModuleId) -> Result<Vec<CarriedSymbol>> {
        self.debug_info()?.carried_symbols(module)
    }

    fn carried_frames(&self, module: ModuleId) -> Result<Vec<CarriedFrame>> {
        self.debug_info()?.carried_frames(module)
    }

    fn carried_lines(&self, module: ModuleId) -> Result<Vec<CarriedLine>> {
        self.debug_info()?.carried_lines(module)
    }

    fn is_position_independent(&self, module: ModuleId) -> bool {
        self.debug_info()
            .is_ok_and(|info| info.is_position_independent(module))
    }

    fn needed_libraries(&self, module: ModuleId) -> Result<Vec<String>> {
        self.debug_info()?.needed_libraries(module)
    }

    fn symbol(&self, module: ModuleId, name: &str) -> Option<Symbol> {
        self.debug_info().ok()?.symbol(module, name)
    }

    fn symbols(&self, module: ModuleId, glob: &str) -> Vec<Symbol> {
        let symbols = self
            .debug_info()
            .and_then(|info| info.symbols(module, glob));
        symbols.unwrap_or_default()
    }

    fn placement(&self, address: Address) -> Result<Placement> {
        self.debug_info()?.placement(address)
    }

    fn probeable(&self, function: &Function) -> Result<Probeable> {
        self.debug_info()?.probeable(function)
    }

    fn refusal(&self, address: Address) -> Result<Option<String>> {
        self.debug_info()?.refusal(address)
    }

    fn instruction_at(&self, function: &Function, address: Address) -> Result<Option<u64>> {
        self.debug_info()?.instruction_at(function, address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_component_by_component() {
        let names = |pattern: &str| {
            let found = files_matching(Path::new(pattern)).into_iter();
            found
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        let fixture = "./src/target/fixture.rs";
        assert_eq!(names("./s*/t*/fix*.rs"), [fixture]);
        assert_eq!(names("s*/target/fix*.rs"), [fixture]);
        assert_eq!(names("./src/tar*"), ["./src/target.rs"]);
        assert!(names("./src/*/no-such-file").is_empty());
    }
}
