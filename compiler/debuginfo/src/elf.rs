// SPDX-License-Identifier: GPL-2.0-or-later

//! ELF files: sections with their addresses and contents, relocated where the
//! file is relocatable.

use std::borrow::Cow;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use object::elf::{ET_REL, FileHeader64, PT_LOAD};
use object::read::elf::{ElfFile, ProgramHeader as _};
use object::{CompressionFormat, LittleEndian, Object as _, ObjectSection as _, SectionIndex};

use crate::error::{Error, Result};
use crate::{mapped, reloc};

pub(crate) type File = ElfFile<'static, FileHeader64<LittleEndian>>;

/// What every file begins with.
pub(crate) const MAGIC: &[u8; 4] = b"\x7fELF";

/// Address of the first section of a relocatable file. Not 0, so that 0 keeps
/// meaning "removed by the linker".
const LAYOUT_BASE: u64 = 0x1_0000;

/// A section of an [`Elf`] file.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub name: String,
    /// Index in the section header table.
    pub index: SectionIndex,
    /// Address; laid out by us if the file is relocatable, 0 if not loaded.
    pub address: u64,
    pub size: u64,
    pub allocated: bool,
    pub executable: bool,
}

/// An opened ELF file.
pub(crate) struct Elf {
    pub path: PathBuf,
    pub file: File,
    /// A kernel module or object file, whose sections have no addresses yet.
    pub relocatable: bool,
    pub sections: Vec<Section>,
    /// Contents by section, after decompression and relocation.
    contents: Vec<OnceLock<Result<&'static [u8]>>>,
}

/// Whether a file begins as all ELF files do.
pub fn is_elf(path: &Path) -> bool {
    let mut start = [0; MAGIC.len()];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut start))
        .is_ok_and(|()| start == *MAGIC)
}

impl Elf {
    /// Opens an ELF file, which may be compressed as a whole (`.ko.xz`).
    pub fn open(path: &Path) -> Result<Elf> {
        Elf::parse(path, mapped::contents(path)?)
    }

    /// The linked kernel in a bootable image. It has data, but no symbols.
    pub fn open_image(path: &Path) -> Result<Elf> {
        Elf::parse(path, mapped::kernel_in_image(path)?)
    }

    fn parse(path: &Path, bytes: &'static [u8]) -> Result<Elf> {
        let failed = |error: object::Error| Error::in_file(path, format!("bad ELF file: {error}"));
        if !bytes.starts_with(MAGIC) {
            return Err(Error::in_file(path, "not an ELF file").at("file", 0));
        }
        if bytes.get(4..6) != Some(&[2, 1]) {
            return Err(Error::in_file(path, "not a 64-bit little-endian ELF file").at("file", 4));
        }
        let file = File::parse(bytes).map_err(|error| failed(error).at("file", 0))?;
        let relocatable = file.elf_header().e_type.get(LittleEndian) == ET_REL;
        let mut sections = Vec::new();
        let mut next = LAYOUT_BASE;
        for section in file.sections() {
            let object::SectionFlags::Elf { sh_flags, .. } = section.flags() else {
                continue;
            };
            let allocated = sh_flags.0 & object::elf::SHF_ALLOC.0 != 0;
            let mut address = section.address();
            if relocatable && allocated {
                let align = section.align().clamp(1, 1 << 20).next_power_of_two();
                next = next.next_multiple_of(align);
                address = next;
                next = next.saturating_add(section.size().clamp(1, 1 << 40));
            }
            sections.push(Section {
                name: String::from_utf8_lossy(section.name_bytes().map_err(|error| {
                    failed(error).at("section headers", section.index().0 as u64)
                })?)
                .into_owned(),
                index: section.index(),
                address,
                size: section.size(),
                allocated,
                executable: sh_flags.0 & object::elf::SHF_EXECINSTR.0 != 0,
            });
        }
        let contents = sections.iter().map(|_| OnceLock::new()).collect();
        Ok(Elf {
            path: path.to_path_buf(),
            file,
            relocatable,
            sections,
            contents,
        })
    }

    /// GNU build id, in hexadecimal.
    pub fn build_id(&self) -> Option<String> {
        let id = self.file.build_id().ok().flatten()?;
        Some(id.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Name of the separate debug file and its checksum.
    pub fn debug_link(&self) -> Option<(String, u32)> {
        let (name, crc) = self.file.gnu_debuglink().ok().flatten()?;
        Some((String::from_utf8_lossy(name).into_owned(), crc))
    }

    /// Name and build id, in hexadecimal, of the file to which dwz(1) moved a
    /// part of the debug information.
    pub fn shared_debug_link(&self) -> Option<(String, String)> {
        let (name, id) = self.file.gnu_debugaltlink().ok().flatten()?;
        let id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        Some((String::from_utf8_lossy(name).into_owned(), id))
    }

    /// Address of the section with this index in the file's section table.
    pub fn section_address(&self, index: SectionIndex) -> Option<u64> {
        Some(self.section_by_index(index)?.address)
    }

    /// The section with this index in the file's section table.
    pub fn section_by_index(&self, index: SectionIndex) -> Option<&Section> {
        let guess = self
            .sections
            .get(index.0.wrapping_sub(1))
            .filter(|s| s.index == index);
        guess.or_else(|| self.sections.iter().find(|section| section.index == index))
    }

    /// The loaded section that contains an address.
    pub fn section_at(&self, address: u64) -> Option<&Section> {
        // The kernel's per-CPU section overlaps the others' numbering at 0, and is looked up by name.
        self.sections.iter().find(|section| {
            section.allocated
                && (self.relocatable || section.name != ".data..percpu")
                && address.wrapping_sub(section.address) < section.size
        })
    }

    /// Whether the file has a section of this name that is not empty.
    pub fn has_section(&self, name: &str) -> bool {
        self.sections
            .iter()
            .any(|section| section.name == name && section.size != 0)
    }

    /// Contents of a section: decompressed, and relocated if the file is
    /// relocatable. Empty if there is no such section or it has no bytes.
    pub fn section_data(&self, name: &str) -> Result<&'static [u8]> {
        match self
            .sections
            .iter()
            .position(|section| section.name == name)
        {
            Some(position) => self.data_of(position),
            None => Ok(&[]),
        }
    }

    /// `size` bytes at an address of a loaded section. `None` if there are no
    /// such bytes in the file.
    pub fn bytes_at(&self, address: u64, size: usize) -> Option<&'static [u8]> {
        let section = self.section_at(address)?;
        let position = self
            .sections
            .iter()
            .position(|other| other.index == section.index)?;
        let data = self.data_of(position).ok()?;
        let start = usize::try_from(address.wrapping_sub(section.address)).ok()?;
        data.get(start..start.checked_add(size)?)
    }

    /// The NUL-terminated string at an address of a loaded section.
    pub fn string_at(&self, address: u64) -> Option<&'static str> {
        let section = self.section_at(address)?;
        let position = self
            .sections
            .iter()
            .position(|other| other.index == section.index)?;
        let data = self.data_of(position).ok()?;
        let rest = data.get(usize::try_from(address.wrapping_sub(section.address)).ok()?..)?;
        let end = rest.iter().take(4096).position(|byte| *byte == 0)?;
        std::str::from_utf8(rest.get(..end)?).ok()
    }

    /// Where in the file the byte of this address is that a program's mapping
    /// shows there: by the loadable segments (ELF gABI, "Program Loading"), as
    /// the kernel maps them. `None` if no segment has file contents there.
    pub fn file_offset(&self, address: u64) -> Option<u64> {
        self.file.elf_program_headers().iter().find_map(|segment| {
            let start = segment.p_vaddr(LittleEndian);
            let inside = address.checked_sub(start)?;
            let is_loaded = segment.p_type(LittleEndian) == PT_LOAD;
            (is_loaded && inside < segment.p_filesz(LittleEndian))
                .then(|| segment.p_offset(LittleEndian).checked_add(inside))?
        })
    }

    /// The 64-bit word at an address of a loaded section.
    pub fn word_at(&self, address: u64) -> Option<u64> {
        let bytes = self.bytes_at(address, 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    fn data_of(&self, position: usize) -> Result<&'static [u8]> {
        let (Some(section), Some(cell)) =
            (self.sections.get(position), self.contents.get(position))
        else {
            return Ok(&[]);
        };
        cell.get_or_init(|| self.load(section)).clone()
    }

    fn load(&self, section: &Section) -> Result<&'static [u8]> {
        let failed = |error: object::Error| {
            Error::in_file(&self.path, format!("cannot read section: {error}")).at(&section.name, 0)
        };
        let object_section = self.file.section_by_index(section.index).map_err(failed)?;
        let packed = object_section.compressed_data().map_err(failed)?;
        // The size is believed before a byte is unpacked. These are the most that the two formats
        // can reach: 258 bytes from two bits, a block of 128 KiB from four bytes.
        let ratio = match packed.format {
            CompressionFormat::Zlib => 1032,
            _ => 32 << 10,
        };
        if packed.uncompressed_size / ratio > packed.data.len() as u64 {
            let size = packed.uncompressed_size;
            let message = format!("bad ELF file: a section cannot unpack to {size} bytes");
            return Err(Error::in_file(&self.path, message).at(&section.name, 0));
        }
        let bytes: Cow<'static, [u8]> = packed.decompress().map_err(failed)?;
        // A linked kernel may still carry its relocations (x86 keeps them for KASLR); its
        // contents are already final.
        if !self.relocatable || object_section.relocations().next().is_none() {
            return Ok(match bytes {
                Cow::Borrowed(bytes) => bytes,
                Cow::Owned(bytes) => Vec::leak(bytes),
            });
        }
        let mut bytes = bytes.into_owned();
        reloc::apply(self, section, &object_section, &mut bytes)?;
        Ok(Vec::leak(bytes))
    }
}
