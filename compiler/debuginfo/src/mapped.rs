// SPDX-License-Identifier: GPL-2.0-or-later

//! Bytes of files. Files are mapped once and stay mapped until the process
//! ends, so every reader above can borrow them without lifetimes: a compiler
//! run opens a handful of files and needs them to the end.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};

/// What identifies one state of a file: device, inode, size, time of change.
type Identity = (u64, u64, u64, i64, i64);

/// Contents of what was opened so far.
type Cache = Mutex<HashMap<(PathBuf, Identity), &'static [u8]>>;

fn cache() -> &'static Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    CACHE.get_or_init(Mutex::default)
}

/// Contents of the file at `path`; `.xz`, `.zst` and `.gz` are decompressed.
pub fn contents(path: &Path) -> Result<&'static [u8]> {
    use std::os::unix::fs::MetadataExt as _;

    let failed = |error: std::io::Error| Error::in_file(path, error.to_string());
    let metadata = std::fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(Error::in_file(path, "not a regular file"));
    }
    let identity = (
        metadata.dev(),
        metadata.ino(),
        metadata.size(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    );
    let key = (path.to_path_buf(), identity);
    let mut cache = cache().lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(bytes) = cache.get(&key) {
        return Ok(bytes);
    }
    let bytes: &'static [u8] = match compression(path) {
        Some(compression) => {
            let packed = std::fs::read(path).map_err(failed)?;
            Vec::leak(decompress(path, 0, &packed, compression)?)
        }
        // Files of sysfs and procfs cannot be mapped on most kernels.
        None if metadata.len() < 4096 || path.starts_with("/sys") || path.starts_with("/proc") => {
            Vec::leak(std::fs::read(path).map_err(failed)?)
        }
        None => map(&File::open(path).map_err(failed)?).map_err(failed)?,
    };
    cache.insert(key, bytes);
    Ok(bytes)
}

/// Mappings made so far.
static MAPPINGS: Mutex<Vec<&'static memmap2::Mmap>> = Mutex::new(Vec::new());

/// Gives back the memory of bytes that will hardly be asked for again: they
/// are read from the file anew if they are. Bytes that are no mapping stay.
#[allow(unsafe_code)]
pub fn release(bytes: &'static [u8]) {
    /// Pages of x86_64 and arm64 are as large or smaller.
    const PAGE: usize = 64 << 10;
    let start = bytes.as_ptr().addr();
    let mappings = MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner);
    let inside = mappings.iter().find_map(|mapping| {
        let offset = start.checked_sub(mapping.as_ptr().addr())?;
        (offset.checked_add(bytes.len())? <= mapping.len()).then_some((mapping, offset))
    });
    let Some((mapping, offset)) = inside else {
        return;
    };
    // Whole pages that hold nothing else.
    let first = offset.next_multiple_of(PAGE);
    let length = (offset + bytes.len()).saturating_sub(first) & !(PAGE - 1);
    if length > 0 {
        // SAFETY: the mapping is private and read-only and was never written to (see `map`), so
        // that pages which are dropped come back from the file as they were. A refusal loses nothing.
        let _ = unsafe {
            mapping.unchecked_advise_range(memmap2::UncheckedAdvice::DontNeed, first, length)
        };
    }
}

#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<&'static [u8]> {
    // SAFETY: the mapping is private and read-only, and is never unmapped. The one thing that can
    // go wrong is another process that truncates the file (SIGBUS) or rewrites it in place, which
    // package managers and builds do not do: they rename a new file over the old one.
    let mapping: &'static memmap2::Mmap = Box::leak(Box::new(unsafe { memmap2::Mmap::map(file)? }));
    let mut mappings = MAPPINGS.lock().unwrap_or_else(PoisonError::into_inner);
    mappings.push(mapping);
    Ok(mapping)
}

/// Ways in which distributions compress modules (`CONFIG_MODULE_COMPRESS_*`) and kernels
/// (`CONFIG_KERNEL_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compression {
    Xz,
    Zstd,
    Gzip,
    /// The frames of `lz4 -l`: blocks with their sizes.
    Lz4,
}

fn compression(path: &Path) -> Option<Compression> {
    match path.extension()?.to_str()? {
        "xz" => Some(Compression::Xz),
        "zst" => Some(Compression::Zstd),
        "gz" => Some(Compression::Gzip),
        _ => None,
    }
}

/// The linked kernel inside a bootable image (`bzImage`), decompressed; by the
/// header of `Documentation/arch/x86/boot.rst`, protocol 2.08 and later. The
/// caller keeps it: nothing is cached here.
pub fn kernel_in_image(path: &Path) -> Result<&'static [u8]> {
    /// Number of sectors of the boot code, after the first.
    const SECTORS: usize = 0x1f1;
    /// Offset of the payload behind the boot code, then its length.
    const PAYLOAD: usize = 0x248;
    const SECTOR: usize = 512;
    let bytes = contents(path)?;
    let word = |at: usize| -> Option<usize> {
        let bytes = bytes.get(at..at + 4)?;
        usize::try_from(u32::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    let payload = || {
        bytes.get(0x202..0x206).filter(|magic| magic == b"HdrS")?;
        let sectors = usize::from(*bytes.get(SECTORS)?) + 1;
        let start = sectors.checked_mul(SECTOR)?.checked_add(word(PAYLOAD)?)?;
        bytes.get(start..start.checked_add(word(PAYLOAD + 4)?)?)
    };
    let Some(payload) = payload() else {
        return Err(Error::in_file(path, "not a bootable image of x86").at("file", 0x202));
    };
    let compression = match payload {
        [0x1f, 0x8b, ..] => Compression::Gzip,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Compression::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
        [0x02, 0x21, 0x4c, 0x18, ..] => Compression::Lz4,
        _ => {
            return Err(Error::in_file(
                path,
                "the kernel in it is packed in an unknown way",
            ));
        }
    };
    // The size follows the packed data.
    let packed = payload
        .get(..payload.len().saturating_sub(4))
        .unwrap_or_default();
    let start = packed.as_ptr() as usize - bytes.as_ptr() as usize;
    Ok(Vec::leak(decompress(path, start, packed, compression)?))
}

/// No kernel module is larger than this; stops decompression bombs.
const DECOMPRESSED_LIMIT: u64 = 1 << 30;

/// Unpacks what stands at offset `start` of the file at `path`.
fn decompress(
    path: &Path,
    start: usize,
    packed: &[u8],
    compression: Compression,
) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = packed;
    let result = match compression {
        Compression::Xz => liblzma::bufread::XzDecoder::new(&mut rest)
            .take(DECOMPRESSED_LIMIT)
            .read_to_end(&mut bytes),
        Compression::Gzip => flate2::bufread::MultiGzDecoder::new(&mut rest)
            .take(DECOMPRESSED_LIMIT)
            .read_to_end(&mut bytes),
        Compression::Zstd => ruzstd::decoding::StreamingDecoder::new(&mut rest)
            .map_err(std::io::Error::other)
            .and_then(|decoder| decoder.take(DECOMPRESSED_LIMIT).read_to_end(&mut bytes)),
        Compression::Lz4 => decompress_lz4(&mut rest, &mut bytes),
    };
    match result {
        Ok(_) => Ok(bytes),
        Err(error) => {
            let message = format!("cannot decompress ({compression:?}): {error}");
            let offset = start + (packed.len() - rest.len());
            Err(Error::in_file(path, message).at("file", offset as u64))
        }
    }
}

/// The old format of lz4, which kernels are packed in: a magic number, then blocks of at most
/// 8 MiB each with its packed size before it (`lz4_Frame_format.md`, "Legacy frame").
fn decompress_lz4(rest: &mut &[u8], bytes: &mut Vec<u8>) -> std::io::Result<usize> {
    const BLOCK: usize = 8 << 20;
    *rest = rest.get(4..).unwrap_or_default();
    let mut block = vec![0; BLOCK];
    while let Some((size, behind)) = rest.split_first_chunk() {
        let size = usize::try_from(u32::from_le_bytes(*size)).unwrap_or(usize::MAX);
        let (Some(data), Some(next)) = (behind.get(..size), behind.get(size..)) else {
            return Err(std::io::Error::other("it is cut off"));
        };
        let length =
            lz4_flex::block::decompress_into(data, &mut block).map_err(std::io::Error::other)?;
        bytes.extend_from_slice(block.get(..length).unwrap_or_default());
        if bytes.len() as u64 > DECOMPRESSED_LIMIT {
            return Err(std::io::Error::other("it is too large"));
        }
        *rest = next;
    }
    Ok(bytes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_module_is_named_with_the_place() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["a.ko.xz", "b.ko.gz", "c.ko.zst"] {
            let path = folder.path().join(name);
            std::fs::write(&path, b"\x28\xb5\x2f\xfdnot packed at all").expect("a file");
            let error = contents(&path).expect_err("refused");
            assert_eq!(error.path.as_deref(), Some(&*path));
            assert!(error.position.is_some(), "{error}");
        }
    }
}
