// SPDX-License-Identifier: GPL-2.0-or-later

//! [`DebugInfo`]: the files of one kernel, its modules and of user binaries,
//! opened as they are asked for.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use crate::btf::Btf;
use crate::dwarf::DwarfFile;
use crate::elf::{Elf, MAGIC};
use crate::error::{Error, Result};
use crate::glob;
use crate::locate::{KernelPaths, MissingPart, build_id_path};
use crate::mapped;
use crate::probeable::ProbeSites;
use crate::symbols::SymbolList;
use crate::types::{ModuleId, Source, Type, TypeId};

/// What a [`ModuleId`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModuleKind {
    /// The kernel proper.
    Kernel,
    /// A loadable module of the kernel.
    Module,
    /// A program or shared library.
    Binary,
}

/// One opened file with its sources of information.
pub(crate) struct Module {
    pub id: ModuleId,
    /// `kernel`, the module's name with underscores, or the binary's path.
    pub name: String,
    pub kind: ModuleKind,
    /// What is loaded: the `.ko` or the binary. `None` for the kernel, whose
    /// image is not an ELF file that is kept around.
    pub image: Option<Arc<Elf>>,
    /// File whose addresses are used: the one with DWARF, else the image.
    pub elf: Option<Arc<Elf>>,
    pub dwarf: Option<DwarfFile>,
    /// There is DWARF, but in files that are not read.
    is_split: bool,
    btf: OnceLock<Result<Option<Arc<Btf>>>>,
    symbols: OnceLock<Result<SymbolList>>,
    pub sites: OnceLock<ProbeSites>,
}

impl Module {
    /// Bytes of code. Debug files may have sections without contents: what is loaded has them,
    /// in a module perhaps at other addresses.
    pub fn code_at(&self, address: u64, size: usize) -> Option<&'static [u8]> {
        let elf = self.elf.as_ref()?;
        elf.bytes_at(address, size).or_else(|| {
            let image = self.image.as_ref()?;
            let section = elf.section_at(address)?;
            let mut sections = image.sections.iter();
            let same = sections.find(|other| other.name == section.name)?;
            let inside = address.wrapping_sub(section.address);
            image.bytes_at(same.address.wrapping_add(inside), size)
        })
    }
}

/// Debug information of one kernel, its modules, and of user binaries.
pub struct DebugInfo {
    paths: KernelPaths,
    /// Never shrinks; a module stays where it is once opened.
    modules: RwLock<Vec<Arc<Module>>>,
    by_name: Mutex<HashMap<String, ModuleId>>,
    /// Paths of modules on disk by name with underscores.
    module_files: OnceLock<HashMap<String, PathBuf>>,
    pub(crate) types: Mutex<HashMap<TypeId, Arc<Type>>>,
    pub(crate) definitions: Mutex<HashMap<(ModuleId, String), Option<TypeId>>>,
    pub(crate) names: Mutex<HashMap<(ModuleId, String), Option<TypeId>>>,
    /// The linked kernel out of its bootable image, for what no other file tells.
    packed_kernel: OnceLock<Option<Elf>>,
    /// Why a server could not be asked for debug files; said when they are missed.
    trouble: Mutex<Option<Error>>,
}

impl DebugInfo {
    /// Opens the kernel's files. A kernel with no debug information at all is
    /// not an error here, only when something is asked of it.
    pub fn open(paths: KernelPaths) -> Result<DebugInfo> {
        let mut dwarf = None;
        let mut elf = None;
        let mut symbols = OnceLock::new();
        let mut trouble = None;
        let fetched = match (&paths.vmlinux, &paths.servers) {
            (None, Some(servers)) => {
                let fetched = paths
                    .build_id()
                    .map(|id| servers.debug_file(&id))
                    .transpose();
                fetched
                    .map_err(|error| trouble = Some(error))
                    .ok()
                    .flatten()
                    .flatten()
            }
            _ => None,
        };
        if let Some(path) = paths.vmlinux.as_ref().or(fetched.as_ref()) {
            let file = Arc::new(Elf::open(path)?);
            // Who asks DWARF asks for symbols, too: both are read at the same time.
            let (opened, names) = rayon::join(
                || DwarfFile::open(&file, &file, None),
                || SymbolList::from_elf(&file).with_names(),
            );
            dwarf = opened?;
            symbols = OnceLock::from(Ok(names));
            elf = Some(file);
        }
        let is_split = dwarf.as_ref().is_some_and(DwarfFile::is_split);
        let kernel = Module {
            id: ModuleId::KERNEL,
            name: "kernel".to_string(),
            kind: ModuleKind::Kernel,
            image: None,
            elf,
            dwarf: dwarf.filter(|_| !is_split),
            is_split,
            btf: OnceLock::new(),
            symbols,
            sites: OnceLock::new(),
        };
        let by_name = ["kernel", "vmlinux"].map(|name| (name.to_string(), ModuleId::KERNEL));
        Ok(DebugInfo {
            paths,
            modules: RwLock::new(vec![Arc::new(kernel)]),
            by_name: Mutex::new(HashMap::from(by_name)),
            module_files: OnceLock::new(),
            types: Mutex::default(),
            definitions: Mutex::default(),
            names: Mutex::default(),
            packed_kernel: OnceLock::new(),
            trouble: Mutex::new(trouble),
        })
    }

    /// The kernel as it is linked, without symbols; unpacked at the first
    /// question, which takes a part of a second. `None` if it cannot be read.
    pub(crate) fn packed_kernel(&self) -> Option<&Elf> {
        let unpack = || Elf::open_image(self.paths.image.as_ref()?).ok();
        self.packed_kernel.get_or_init(unpack).as_ref()
    }

    /// The files found for the kernel.
    pub fn paths(&self) -> &KernelPaths {
        &self.paths
    }

    /// The file named: `kernel` or `vmlinux`; a module by name (dashes and
    /// underscores are the same); a path of a `.ko` or of a binary.
    pub fn module(&self, name: &str) -> Result<ModuleId> {
        let is_path = name.contains('/') || name.ends_with(".ko");
        let key = if is_path {
            name.to_string()
        } else {
            name.replace('-', "_")
        };
        let mut by_name = self.by_name.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(id) = by_name.get(&key) {
            return Ok(*id);
        }
        let mut modules = self.modules.write().unwrap_or_else(PoisonError::into_inner);
        let id = ModuleId(u32::try_from(modules.len()).unwrap_or(u32::MAX - 1));
        let module = if is_path {
            self.open_path(id, Path::new(name))?
        } else {
            self.open_module(id, &key)?
        };
        modules.push(Arc::new(module));
        by_name.insert(key, id);
        Ok(id)
    }

    /// Names of modules on disk that match a pattern, sorted, with underscores.
    pub fn module_names(&self, pattern: &str) -> Vec<String> {
        let pattern = pattern.replace('-', "_");
        let files = self.module_files();
        let mut names: Vec<String> = files
            .keys()
            .filter(|name| glob::matches(&pattern, name))
            .cloned()
            .collect();
        names.sort();
        names
    }

    /// What a module is called in probe points: `kernel`, `ext4`, or a path.
    pub fn module_name(&self, id: ModuleId) -> String {
        self.get(id)
            .map(|module| module.name.clone())
            .unwrap_or_default()
    }

    /// The file that was opened under this name, or by a path under which it has this name.
    pub fn opened(&self, name: &str) -> Option<ModuleId> {
        let modules = self.modules.read().unwrap_or_else(PoisonError::into_inner);
        let mut modules = modules.iter();
        modules
            .find(|module| module.name == name)
            .map(|module| module.id)
    }

    /// Kernel, module or binary.
    pub fn module_kind(&self, id: ModuleId) -> Result<ModuleKind> {
        Ok(self.get(id)?.kind)
    }

    /// Whether a source of information is there for a file.
    pub fn has(&self, id: ModuleId, source: Source) -> bool {
        let Ok(module) = self.get(id) else {
            return false;
        };
        match source {
            Source::Dwarf => module.dwarf.is_some(),
            Source::Btf => self.btf(&module).is_ok_and(|btf| btf.is_some()),
            Source::Symbols => self.symbols_of(&module).is_ok(),
        }
    }

    /// GNU build id of a file, in hexadecimal. For a kernel without debug files it is that of the
    /// running one, or of the bootable image, where the other facts came from.
    pub fn build_id(&self, id: ModuleId) -> Option<String> {
        let module = self.get(id).ok()?;
        match module.image.as_ref().or(module.elf.as_ref()) {
            Some(file) => file.build_id(),
            None if id == ModuleId::KERNEL => self.paths.build_id(),
            None => None,
        }
    }

    /// The file from which addresses come.
    pub fn debug_path(&self, id: ModuleId) -> Option<PathBuf> {
        Some(self.get(id).ok()?.elf.as_ref()?.path.clone())
    }

    pub(crate) fn get(&self, id: ModuleId) -> Result<Arc<Module>> {
        let modules = self.modules.read().unwrap_or_else(PoisonError::into_inner);
        modules
            .get(id.0 as usize)
            .cloned()
            .ok_or_else(|| Error::new(format!("no module with number {}", id.0)))
    }

    /// The module's DWARF, or an error that says how to get it.
    pub(crate) fn need_dwarf<'a>(&self, module: &'a Module) -> Result<&'a DwarfFile> {
        module
            .dwarf
            .as_ref()
            .ok_or_else(|| self.no_debug_info(module))
    }

    pub(crate) fn no_debug_info(&self, module: &Module) -> Error {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        let mut error = match module.kind {
            ModuleKind::Kernel => Error::new(format!(
                "no debug information for kernel {}",
                self.paths.release
            )),
            ModuleKind::Module => Error::new(format!(
                "no debug information for module {} of kernel {}",
                module.name, self.paths.release
            )),
            ModuleKind::Binary => Error::new(format!("no debug information for {}", module.name)),
        };
        if module.is_split {
            error
                .message
                .push_str(" but what is in .dwo files, which are not read");
            return error.hint(match module.kind {
                ModuleKind::Binary => "compile it without -gsplit-dwarf",
                _ => "build the kernel without CONFIG_DEBUG_INFO_SPLIT",
            });
        }
        if let Some(trouble) = trouble.as_ref() {
            error.message = format!("{}, and none could be fetched: {trouble}", error.message);
        }
        match (module.kind, self.paths.hint_for(MissingPart::DebugInfo)) {
            (ModuleKind::Kernel | ModuleKind::Module, Some(command)) => {
                error.hint(format!("install it: {command}"))
            }
            (ModuleKind::Binary, _) => {
                error.hint("compile it with -g, or install its debug package")
            }
            _ => error,
        }
    }

    pub(crate) fn symbols_of<'a>(&self, module: &'a Module) -> Result<&'a SymbolList> {
        module
            .symbols
            .get_or_init(|| match &module.elf {
                Some(elf) => Ok(SymbolList::from_elf(elf)),
                None => match &self.paths.symbols {
                    Some(path) => SymbolList::from_map(path),
                    None => Err(Error::new(format!(
                        "no list of symbols for kernel {}",
                        self.paths.release
                    ))),
                },
            })
            .as_ref()
            .map_err(Clone::clone)
    }

    pub(crate) fn btf(&self, module: &Module) -> Result<Option<Arc<Btf>>> {
        module
            .btf
            .get_or_init(|| self.open_btf(module).map(|btf| btf.map(Arc::new)))
            .clone()
    }

    /// The kernel's BTF out of its bootable image, where every kernel that has any keeps it.
    fn packed_btf(&self) -> Result<Option<Btf>> {
        let Some(kernel) = self.packed_kernel() else {
            return Ok(None);
        };
        let bytes = kernel.section_data(".BTF")?;
        match bytes.is_empty() {
            true => Ok(None),
            false => Btf::parse(&kernel.path, bytes, None).map(Some),
        }
    }

    fn open_btf(&self, module: &Module) -> Result<Option<Btf>> {
        match module.kind {
            ModuleKind::Binary => Ok(None),
            ModuleKind::Kernel => {
                let Some(path) = &self.paths.btf else {
                    return self.packed_btf();
                };
                let bytes = mapped::contents(path)?;
                let bytes = if bytes.starts_with(MAGIC) {
                    Elf::open(path)?.section_data(".BTF")?
                } else {
                    bytes
                };
                Btf::parse(path, bytes, None).map(Some)
            }
            ModuleKind::Module => {
                let kernel = self.get(ModuleId::KERNEL)?;
                let Some(base) = self.btf(&kernel)? else {
                    return Ok(None);
                };
                if let Some(dir) = &self.paths.module_btf_dir {
                    let path = dir.join(&module.name);
                    if path.is_file() {
                        let bytes = mapped::contents(&path)?;
                        return Btf::parse(&path, bytes, Some(base)).map(Some);
                    }
                }
                for elf in [&module.image, &module.elf].into_iter().flatten() {
                    let bytes = elf.section_data(".BTF")?;
                    if bytes.is_empty() {
                        continue;
                    }
                    let own_base = elf.section_data(".BTF.base")?;
                    let btf = if own_base.is_empty() {
                        Btf::parse(&elf.path, bytes, Some(base))
                    } else {
                        Btf::parse_distilled(&elf.path, bytes, own_base)
                    };
                    return btf.map(Some);
                }
                Ok(None)
            }
        }
    }

    fn module_files(&self) -> &HashMap<String, PathBuf> {
        self.module_files.get_or_init(|| {
            let mut files = HashMap::new();
            let roots = self
                .paths
                .modules_dir
                .iter()
                .chain(&self.paths.debug_module_dirs);
            for root in roots {
                collect_modules(root, 0, &mut files);
            }
            files
        })
    }

    fn open_module(&self, id: ModuleId, name: &str) -> Result<Module> {
        let Some(path) = self.module_files().get(name) else {
            let mut error = Error::new(format!(
                "kernel {} has no module {name}",
                self.paths.release
            ));
            if self.paths.modules_dir.is_none() && self.paths.debug_module_dirs.is_empty() {
                error.hint = self
                    .paths
                    .hint_for(MissingPart::Modules)
                    .map(|command| format!("its modules are not on this machine: {command}"));
            }
            return Err(error);
        };
        let image = Arc::new(Elf::open(path)?);
        self.assemble(id, name.to_string(), ModuleKind::Module, image)
    }

    fn open_path(&self, id: ModuleId, path: &Path) -> Result<Module> {
        let image = Arc::new(Elf::open(path)?);
        if image.relocatable {
            let name = module_name_of(path).unwrap_or_default();
            return self.assemble(id, name, ModuleKind::Module, image);
        }
        self.assemble(id, path.display().to_string(), ModuleKind::Binary, image)
    }

    fn assemble(
        &self,
        id: ModuleId,
        name: String,
        kind: ModuleKind,
        image: Arc<Elf>,
    ) -> Result<Module> {
        let debug = if image.has_section(".debug_info") {
            Some(image.clone())
        } else {
            self.find_debug_file(&image, kind)?.map(Arc::new)
        };
        let shared = debug.as_ref().and_then(|elf| self.find_shared(elf));
        let shared = shared.as_ref();
        let dwarf = match &debug {
            // Debug files of programs leave the tables for unwinding to the program itself.
            Some(elf) if kind == ModuleKind::Binary => {
                DwarfFile::open(elf, &image, shared)?.map(DwarfFile::with_full_paths)
            }
            Some(elf) => DwarfFile::open(elf, elf, shared)?,
            None => None,
        };
        let is_split = dwarf.as_ref().is_some_and(DwarfFile::is_split);
        let elf = Some(debug.unwrap_or_else(|| image.clone()));
        Ok(Module {
            id,
            name,
            kind,
            image: Some(image),
            elf,
            dwarf: dwarf.filter(|_| !is_split),
            is_split,
            btf: OnceLock::new(),
            symbols: OnceLock::new(),
            sites: OnceLock::new(),
        })
    }

    /// The separate debug file of a stripped one: by build id, by the path of
    /// a module, or by debuglink.
    fn find_debug_file(&self, image: &Elf, kind: ModuleKind) -> Result<Option<Elf>> {
        let build_id = image.build_id();
        let mut candidates = Vec::new();
        if kind == ModuleKind::Module
            && let Some(dir) = &self.paths.modules_dir
            && let Ok(relative) = image.path.strip_prefix(dir)
        {
            let mut relative = relative.to_path_buf();
            if relative
                .extension()
                .is_some_and(|extension| extension != "ko")
            {
                relative.set_extension("");
            }
            for root in &self.paths.debug_module_dirs {
                candidates.push(root.join(&relative));
                candidates.push(root.join(relative.with_extension("ko.debug")));
            }
        }
        let mut roots = self.paths.debug_roots.clone();
        roots.push(PathBuf::from("/usr/lib/debug"));
        if let Some(build_id) = &build_id {
            candidates.extend(
                roots
                    .iter()
                    .filter_map(|root| build_id_path(root, build_id)),
            );
        }
        if let Some((name, _)) = image.debug_link()
            && let Some(dir) = image.path.parent()
        {
            candidates.push(dir.join(&name));
            candidates.push(dir.join(".debug").join(&name));
            let below = dir.strip_prefix("/").unwrap_or(dir);
            candidates.extend(roots.iter().map(|root| root.join(below).join(&name)));
        }
        for path in candidates {
            if !path.is_file() || path == image.path {
                continue;
            }
            let debug = Elf::open(&path)?;
            let same = match (&build_id, debug.build_id()) {
                (Some(mine), Some(other)) => *mine == other,
                _ => true,
            };
            if same && debug.has_section(".debug_info") {
                return Ok(Some(debug));
            }
        }
        self.fetch_debug_file(build_id)
    }

    /// The file to which dwz(1) moved a part of a file's debug information.
    /// Without it the other part is still there.
    fn find_shared(&self, elf: &Elf) -> Option<Elf> {
        let (name, id) = elf.shared_debug_link()?;
        let mut candidates = vec![match elf.path.parent() {
            Some(folder) => folder.join(&name),
            None => PathBuf::from(&name),
        }];
        let roots = self.paths.debug_roots.iter();
        let below = Path::new(&name).strip_prefix("/usr/lib/debug").ok();
        for root in roots
            .map(PathBuf::as_path)
            .chain([Path::new("/usr/lib/debug")])
        {
            candidates.extend(build_id_path(root, &id));
            candidates.extend(below.map(|below| root.join(below)));
        }
        let is_it = |shared: &Elf| shared.build_id().is_none_or(|own| own == id);
        let open = |path: &PathBuf| Elf::open(path).ok().filter(is_it);
        let mut candidates = candidates.iter().filter(|path| path.is_file());
        candidates
            .find_map(open)
            .or_else(|| self.fetch_debug_file(Some(id)).ok().flatten())
    }

    /// The debug file of a build id from a server. A server that cannot be
    /// asked is no error as long as nobody misses the file.
    fn fetch_debug_file(&self, build_id: Option<String>) -> Result<Option<Elf>> {
        let (Some(servers), Some(build_id)) = (&self.paths.servers, build_id) else {
            return Ok(None);
        };
        match servers.debug_file(&build_id) {
            Ok(path) => path.map(|path| Elf::open(&path)).transpose(),
            Err(error) => {
                *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Ok(None)
            }
        }
    }
}

/// A module's name from its file name: `a-b.ko.xz` is `a_b`.
fn module_name_of(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let stem = ["", ".xz", ".zst", ".gz", ".debug"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix)?.strip_suffix(".ko"))?;
    Some(stem.replace('-', "_"))
}

/// Notes all modules below a directory; the first of a name stays.
fn collect_modules(dir: &Path, depth: u32, files: &mut HashMap<String, PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        // "build" and "source" at the top are links to header trees.
        if kind.is_dir() && depth < 32 {
            collect_modules(&path, depth + 1, files);
        } else if let Some(name) = module_name_of(&path) {
            files.entry(name).or_insert(path);
        }
    }
}
