// SPDX-License-Identifier: GPL-2.0-or-later
//! Control messages between the loader and the module, as bytes.
//!
//! The numbers are those of `runtime/include/rstap_protocol.h`; one `write()`
//! or `read()` of the control file is exactly one message. What comes from the
//! module is decoded as untrusted input: any byte string gives either a message
//! or `None`.

/// Version of the protocol, sent in `HELLO`.
pub const VERSION: u32 = 1;
/// Longest payload of one control message, in bytes.
pub const CONTROL_MAXIMUM: usize = 4096;
/// Bytes of the header before each payload.
pub const CONTROL_HEADER: usize = 8;

/// Flag of `HELLO`: per-CPU files, no merging.
pub const HELLO_BULK: u32 = 1;
/// Flag of `HELLO`: full buffers overwrite the oldest output.
pub const HELLO_FLIGHT_RECORDER: u32 = 2;
/// Flag of `HELLO`: the module need not send warnings.
pub const HELLO_SUPPRESS_WARNINGS: u32 = 4;
/// Flag of `HELLO`: the session was started by another loader.
pub const HELLO_ATTACH: u32 = 8;

const HELLO: u32 = 1;
const SYMBOL: u32 = 2;
const SECTION: u32 = 3;
const PARAMETER: u32 = 4;
const START: u32 = 5;
const EXIT: u32 = 6;
const TOGGLE: u32 = 7;
const DETACH: u32 = 8;
const TIMEZONE: u32 = 9;
const REMOTE: u32 = 10;
const NAMESPACE: u32 = 11;
const MODULE: u32 = 12;

const STARTED: u32 = 32;
const WARNING: u32 = 33;
const ERROR: u32 = 34;
const LOG: u32 = 35;
const SYSTEM: u32 = 36;
const REQUEST_EXIT: u32 = 37;
const ENDED: u32 = 38;
const SUMMARY: u32 = 39;
const SWITCH_FILE: u32 = 40;

/// A message to the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request<'a> {
    /// First message of a session; `flags` are the `HELLO_*` bits.
    Hello { flags: u32 },
    /// Where a kernel symbol is.
    Symbol { address: u64, name: &'a str },
    /// The sections of a kernel module will be read and told.
    Module { name: &'a str },
    /// Where a section of that module is; `ESTALE` when it came or went since [`Request::Module`].
    Section {
        address: u64,
        module: &'a str,
        section: &'a str,
    },
    /// Value of a script's global; refused once the session runs.
    Parameter { name: &'a str, value: &'a str },
    /// Arm the probes. `target` is `target()` of the script, 0 for none.
    Start { target: i64 },
    /// Disarm, run the end probes and send the account.
    Exit,
    /// Arm or disarm one probe.
    Toggle { probe: u32, arm: bool },
    /// The loader leaves; the session goes on without it.
    Detach,
    /// Seconds east of UTC and the zone's name, for the time functions.
    Timezone { offset: i64, name: &'a str },
    /// Which machine of several this one is.
    Remote { index: u64, uri: &'a str },
    /// The process whose namespaces are those of the target.
    Namespace { pid: i64 },
}

impl Request<'_> {
    /// The message as one `write()` takes it: header, then payload.
    ///
    /// A payload longer than [`CONTROL_MAXIMUM`] gives `None`.
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut payload = Vec::new();
        let kind = match *self {
            Request::Hello { flags } => {
                payload.extend_from_slice(&VERSION.to_ne_bytes());
                payload.extend_from_slice(&flags.to_ne_bytes());
                HELLO
            }
            Request::Symbol { address, name } => {
                payload.extend_from_slice(&address.to_ne_bytes());
                push_text(&mut payload, name);
                SYMBOL
            }
            Request::Section {
                address,
                module,
                section,
            } => {
                payload.extend_from_slice(&address.to_ne_bytes());
                push_text(&mut payload, module);
                push_text(&mut payload, section);
                SECTION
            }
            Request::Module { name } => {
                push_text(&mut payload, name);
                MODULE
            }
            Request::Parameter { name, value } => {
                push_text(&mut payload, name);
                push_text(&mut payload, value);
                PARAMETER
            }
            Request::Start { target } => {
                payload.extend_from_slice(&target.to_ne_bytes());
                START
            }
            Request::Exit => EXIT,
            Request::Toggle { probe, arm } => {
                payload.extend_from_slice(&probe.to_ne_bytes());
                payload.extend_from_slice(&u32::from(arm).to_ne_bytes());
                TOGGLE
            }
            Request::Detach => DETACH,
            Request::Timezone { offset, name } => {
                payload.extend_from_slice(&offset.to_ne_bytes());
                push_text(&mut payload, name);
                TIMEZONE
            }
            Request::Remote { index, uri } => {
                payload.extend_from_slice(&index.to_ne_bytes());
                push_text(&mut payload, uri);
                REMOTE
            }
            Request::Namespace { pid } => {
                payload.extend_from_slice(&pid.to_ne_bytes());
                NAMESPACE
            }
        };
        if payload.len() > CONTROL_MAXIMUM {
            return None;
        }
        let length = u32::try_from(payload.len()).ok()?;
        let mut message = Vec::with_capacity(CONTROL_HEADER + payload.len());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&payload);
        Some(message)
    }
}

fn push_text(payload: &mut Vec<u8>, text: &str) {
    // A NUL inside would end the field early on the other side.
    payload.extend(text.bytes().filter(|byte| *byte != 0));
    payload.push(0);
}

/// A message from the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Answer to `START`: 0 or a negative errno.
    Started(i64),
    /// Text for stderr with `WARNING: ` before it.
    Warning(String),
    /// Text for stderr with `ERROR: ` before it.
    Error(String),
    /// Text for stderr as it is.
    Log(String),
    /// A command line for `sh -c`.
    System(Vec<u8>),
    /// The script called `switch_file()`.
    SwitchFile,
    /// The script called `exit()`, or the session failed.
    RequestExit,
    /// Probes are gone, output is complete.
    Ended,
    /// One line of the final account.
    Summary(String),
}

/// Decodes what one `read()` of the control file gave.
///
/// `None` when the bytes are no message that this version knows: a short
/// header, a length that is not that of the bytes, or an unknown type.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<Event> {
    let kind = u32::from_ne_bytes(*bytes.first_chunk::<4>()?);
    let rest = bytes.get(4..)?;
    let length = usize::try_from(u32::from_ne_bytes(*rest.first_chunk::<4>()?)).ok()?;
    let payload = rest.get(4..)?;
    if length > CONTROL_MAXIMUM || payload.len() < length {
        return None;
    }
    let payload = payload.get(..length)?;
    Some(match kind {
        STARTED => Event::Started(i64::from_ne_bytes(*payload.first_chunk::<8>()?)),
        WARNING => Event::Warning(text(payload)),
        ERROR => Event::Error(text(payload)),
        LOG => Event::Log(text(payload)),
        SYSTEM => Event::System(until_nul(payload).to_vec()),
        SWITCH_FILE => Event::SwitchFile,
        REQUEST_EXIT => Event::RequestExit,
        ENDED => Event::Ended,
        SUMMARY => Event::Summary(text(payload)),
        _ => return None,
    })
}

fn until_nul(payload: &[u8]) -> &[u8] {
    payload.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn text(payload: &[u8]) -> String {
    String::from_utf8_lossy(until_nul(payload)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u32, payload: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_ne_bytes().to_vec();
        bytes.extend_from_slice(&(payload.len() as u32).to_ne_bytes());
        bytes.extend_from_slice(payload);
        bytes
    }

    #[test]
    fn requests_have_the_header_and_layout_of_the_protocol() {
        let bytes = Request::Hello { flags: HELLO_BULK }
            .encode()
            .expect("short");
        assert_eq!(bytes, [1u32, 8, VERSION, 1].map(u32::to_ne_bytes).concat());
        let bytes = Request::Parameter {
            name: "n",
            value: "12",
        }
        .encode()
        .expect("short");
        assert_eq!(bytes.get(8..), Some(b"n\x0012\0".as_slice()));
        let bytes = Request::Symbol {
            address: 7,
            name: "_stext",
        }
        .encode()
        .expect("short");
        assert_eq!(bytes.get(8..16), Some(7u64.to_ne_bytes().as_slice()));
        assert_eq!(bytes.get(16..), Some(b"_stext\0".as_slice()));
    }

    #[test]
    fn a_payload_over_the_limit_is_refused() {
        let value = "x".repeat(CONTROL_MAXIMUM);
        assert_eq!(
            Request::Parameter {
                name: "n",
                value: &value
            }
            .encode(),
            None
        );
    }

    #[test]
    fn events_are_decoded() {
        assert_eq!(
            decode(&message(STARTED, &(-22i64).to_ne_bytes())),
            Some(Event::Started(-22))
        );
        assert_eq!(
            decode(&message(ERROR, b"bad thing\0")),
            Some(Event::Error("bad thing".to_owned()))
        );
        assert_eq!(decode(&message(ENDED, b"")), Some(Event::Ended));
        assert_eq!(
            decode(&message(WARNING, b"\xff")),
            Some(Event::Warning("\u{fffd}".to_owned()))
        );
    }

    #[test]
    fn short_or_lying_messages_are_refused() {
        assert_eq!(decode(b""), None);
        assert_eq!(decode(&[1, 0, 0]), None);
        assert_eq!(decode(&message(999, b"")), None);
        assert_eq!(decode(&message(STARTED, b"1234")), None);
        let mut lying = message(ERROR, b"text");
        lying[4] = 200;
        assert_eq!(decode(&lying), None);
    }
}
