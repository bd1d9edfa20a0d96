// SPDX-License-Identifier: GPL-2.0-or-later
//! The few system interfaces that need `unsafe`, each behind a safe function.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::fd::BorrowedFd;
use std::time::{SystemTime, UNIX_EPOCH};

use nix::libc;
use nix::unistd::{ForkResult, fork};

/// Forks. Callers see to it that the loader has one thread at that time, so the
/// child may do whatever the parent may do.
///
/// # Errors
/// As `fork(2)`.
pub fn fork_single_threaded() -> nix::Result<ForkResult> {
    // SAFETY: no other thread of this program exists: the only ones (errand.rs)
    // start after the guard and the command were forked, and have ended
    // before going to the background. So no lock of the allocator or of stdio
    // can be held by a thread that the child lacks.
    unsafe { fork() }
}

/// Ends the process without running destructors or `atexit` handlers.
pub fn exit_at_once(status: i32) -> ! {
    // SAFETY: _exit(2) takes any number and does not return.
    unsafe { libc::_exit(status) }
}

/// stdout as a descriptor that stays open for the life of the process.
#[must_use]
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: nothing here closes descriptor 1; were it closed by whoever
    // started the program, writes fail with EBADF.
    unsafe { BorrowedFd::borrow_raw(libc::STDOUT_FILENO) }
}

/// Local time now, as `strftime(3)` prints it by `format`.
///
/// `None` when the format has a NUL or the result is empty or very long.
#[must_use]
pub fn format_local_time(format: &str) -> Option<String> {
    let format = CString::new(format).ok()?;
    let broken_down = local_time()?;
    let mut buffer = [0u8; 4096];
    // SAFETY: the buffer's true length is given, the format ends with NUL, and
    // the broken-down time was filled by localtime_r.
    let length = unsafe {
        libc::strftime(
            buffer.as_mut_ptr().cast(),
            buffer.len(),
            format.as_ptr(),
            &broken_down,
        )
    };
    let text = buffer.get(..length).filter(|text| !text.is_empty())?;
    String::from_utf8(text.to_vec()).ok()
}

/// Seconds east of UTC of local time now, and the zone's name.
#[must_use]
pub fn timezone() -> Option<(i64, String)> {
    let offset = local_time()?.tm_gmtoff;
    Some((
        offset,
        format_local_time("%Z").unwrap_or_else(|| "UTC".to_owned()),
    ))
}

fn local_time() -> Option<libc::tm> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).ok()?.as_secs();
    let seconds = libc::time_t::try_from(seconds).ok()?;
    // SAFETY: all fields of tm are numbers or a pointer, for which zero is valid.
    let mut broken_down: libc::tm = unsafe { std::mem::zeroed() };
    // SAFETY: both pointers are to live values of the right type.
    let result = unsafe { libc::localtime_r(&seconds, &mut broken_down) };
    (!result.is_null()).then_some(broken_down)
}

const CAPABILITY_VERSION_3: u32 = 0x2008_0522;

#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Gives up every capability of this process (`capset(2)`).
///
/// # Errors
/// As `capset(2)`.
pub fn drop_capabilities() -> nix::Result<()> {
    let header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let none = [CapabilityData::default(); 2];
    // SAFETY: version 3 takes a header and two data structures, laid out as in
    // include/uapi/linux/capability.h, both alive during the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, &header, none.as_ptr()) };
    nix::errno::Errno::result(result).map(drop)
}

/// Whether this process may load modules (effective `CAP_SYS_MODULE`).
#[must_use]
pub fn may_load_modules() -> bool {
    const SYS_MODULE: u32 = 16;
    let mut header = CapabilityHeader {
        version: CAPABILITY_VERSION_3,
        pid: 0,
    };
    let mut data = [CapabilityData::default(); 2];
    // SAFETY: as above; the kernel writes both structures.
    let result = unsafe { libc::syscall(libc::SYS_capget, &mut header, data.as_mut_ptr()) };
    result == 0
        && data
            .first()
            .is_some_and(|low| low.effective & (1 << SYS_MODULE) != 0)
}

/// Lets SIGPIPE end the process again; Rust's start-up code ignores it, and a
/// program that is executed inherits that.
pub fn restore_sigpipe() {
    use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    // SAFETY: SIG_DFL is no function of this program.
    let _ = unsafe { sigaction(Signal::SIGPIPE, &default) };
}

/// Rows and columns of the terminal on stdout.
#[must_use]
pub fn terminal_size() -> Option<(u16, u16)> {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one winsize.
    let result = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
    (result == 0 && size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// Takes variables out of the environment.
pub fn remove_variables(names: &[&str]) {
    for name in names {
        // SAFETY: called first of all, before there is another thread that could
        // read the environment.
        unsafe { std::env::remove_var(name) };
    }
}

/// Whether this process was started so that it ignores the signal.
#[must_use]
pub fn is_ignored(signal: nix::sys::signal::Signal) -> bool {
    // SAFETY: sigaction is plain data, for which zero is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: no new action is given; the old one goes into a live structure.
    let result = unsafe { libc::sigaction(signal as i32, std::ptr::null(), &mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Whether a signal that ends the session waits to be taken.
#[must_use]
pub fn is_interrupted() -> bool {
    // SAFETY: a signal set is plain bits, for which zero is valid.
    let mut pending: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live set, which sigpending(2) fills.
    if unsafe { libc::sigpending(&mut pending) } != 0 {
        return false;
    }
    [libc::SIGINT, libc::SIGTERM, libc::SIGHUP]
        .into_iter()
        // SAFETY: the set was filled, the numbers are valid signals.
        .any(|signal| unsafe { libc::sigismember(&pending, signal) } == 1)
}

/// The process number and `wait(2)` status of a child that has ended; `None` when none has.
///
/// Not nix's `waitpid`, which takes a child from the kernel and then fails when a real-time
/// signal ended it.
#[must_use]
pub fn ended_child() -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the pointer is to a live number.
    let process = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) };
    (process > 0).then_some((process, status))
}

/// Puts a variable into the environment.
pub fn set_variable(name: &str, value: &str) {
    // SAFETY: called before the first thread starts (errand.rs).
    unsafe { std::env::set_var(name, value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_formats_are_filled_in() {
        let year = format_local_time("out-%Y.log").expect("a text");
        assert_eq!(year.len(), "out-2026.log".len());
        assert_eq!(format_local_time("plain").as_deref(), Some("plain"));
        assert_eq!(format_local_time("a\0b"), None);
        assert!(timezone().is_some());
    }
}
