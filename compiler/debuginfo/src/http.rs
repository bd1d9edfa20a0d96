// SPDX-License-Identifier: GPL-2.0-or-later

//! As much of HTTP/1.1 as fetching a file takes: one GET, redirections, a
//! body of known or unknown length or in chunks (RFC 9112).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

/// Longest line of a header that is believed.
const LINE_LIMIT: u64 = 16 << 10;

/// Lines of a header at most.
const HEADER_LIMIT: usize = 256;

/// Redirections at most.
const REDIRECTION_LIMIT: usize = 5;

/// Takes a part of the body; with it how much has come and, if known, will.
pub(crate) type Sink<'s> = &'s mut dyn FnMut(&[u8], Progress) -> std::io::Result<()>;

/// How far a transfer is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    /// Bytes before this part.
    pub before: u64,
    /// Bytes with it.
    pub after: u64,
    /// All bytes, if the server says.
    pub total: Option<u64>,
}

/// Fetches a file. False if the server does not have it.
pub(crate) fn get(url: &str, timeout: Duration, sink: Sink) -> Result<bool, String> {
    let mut url = url.to_string();
    for _ in 0..REDIRECTION_LIMIT {
        match get_once(&url, timeout, sink)? {
            Answer::Body => return Ok(true),
            Answer::Absent => return Ok(false),
            Answer::Moved(to) if to.starts_with('/') => {
                let (authority, _) = split(&url)?;
                url = format!("http://{authority}{to}");
            }
            Answer::Moved(to) => url = to,
        }
    }
    Err("redirected too often".to_string())
}

enum Answer {
    Body,
    Absent,
    Moved(String),
}

/// Host with port, and path.
fn split(url: &str) -> Result<(&str, &str), String> {
    let rest = url
        .strip_prefix("http://")
        .ok_or_else(|| format!("only http is spoken here, not {url}"))?;
    let end = rest.find('/').unwrap_or(rest.len());
    Ok(rest.split_at(end))
}

fn get_once(url: &str, timeout: Duration, sink: Sink) -> Result<Answer, String> {
    let (authority, path) = split(url)?;
    let path = if path.is_empty() { "/" } else { path };
    let mut connection = BufReader::new(connect(authority, timeout)?);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: rstap/{}\r\nAccept: */*\r\n\
         Connection: close\r\n\r\n",
        env!("CARGO_PKG_VERSION")
    );
    let sent = connection.get_mut().write_all(request.as_bytes());
    sent.map_err(|error| explain(&error))?;
    let status = line(&mut connection)?;
    let code = status.split(' ').nth(1).unwrap_or_default().to_string();
    if !status.starts_with("HTTP/1.") {
        return Err(format!("the server does not speak HTTP: {status:?}"));
    }
    let (mut length, mut is_chunked, mut location) = (None, false, None);
    for number in 0.. {
        let header = line(&mut connection)?;
        if header.is_empty() {
            break;
        }
        if number == HEADER_LIMIT {
            return Err("the server's answer has too long a header".to_string());
        }
        let Some((name, value)) = header.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                let number = value.parse::<u64>();
                length = Some(number.map_err(|_| format!("bad Content-Length: {value:?}"))?);
            }
            "transfer-encoding" => is_chunked = value.eq_ignore_ascii_case("chunked"),
            "location" => location = Some(value.to_string()),
            _ => {}
        }
    }
    match (code.as_str(), location) {
        ("200", _) => {}
        ("404", _) => return Ok(Answer::Absent),
        ("301" | "302" | "303" | "307" | "308", Some(to)) => return Ok(Answer::Moved(to)),
        _ => return Err(format!("the server answers: {status}")),
    }
    let mut body = Body {
        sink,
        done: 0,
        total: length.filter(|_| !is_chunked),
    };
    if is_chunked {
        loop {
            let size = line(&mut connection)?;
            let size = size.split(';').next().unwrap_or_default().trim();
            let size = u64::from_str_radix(size, 16).map_err(|_| format!("bad chunk: {size:?}"))?;
            if size == 0 {
                return Ok(Answer::Body);
            }
            body.copy(&mut connection, Some(size))?;
            line(&mut connection)?;
        }
    }
    let total = body.total;
    body.copy(&mut connection, total)?;
    Ok(Answer::Body)
}

fn connect(authority: &str, timeout: Duration) -> Result<TcpStream, String> {
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    let address = match has_port {
        true => authority.to_string(),
        false => format!("{authority}:80"),
    };
    let addresses = address
        .to_socket_addrs()
        .map_err(|error| format!("cannot find {authority}: {error}"))?;
    let mut problem = format!("{authority} has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, timeout) {
            Ok(stream) => {
                for set in [
                    stream.set_read_timeout(Some(timeout)),
                    stream.set_write_timeout(Some(timeout)),
                ] {
                    set.map_err(|error| explain(&error))?;
                }
                return Ok(stream);
            }
            Err(error) => problem = explain(&error),
        }
    }
    Err(problem)
}

/// One line without its end.
fn line(connection: &mut BufReader<TcpStream>) -> Result<String, String> {
    let mut bytes = Vec::new();
    let read = connection
        .by_ref()
        .take(LINE_LIMIT)
        .read_until(b'\n', &mut bytes);
    read.map_err(|error| explain(&error))?;
    if bytes.pop() != Some(b'\n') {
        return Err("the server hung up early".to_string());
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.trim_end_matches('\r').to_string())
}

struct Body<'s> {
    sink: Sink<'s>,
    done: u64,
    total: Option<u64>,
}

impl Body<'_> {
    /// Passes on so many bytes, or all until the server hangs up.
    fn copy(
        &mut self,
        connection: &mut BufReader<TcpStream>,
        count: Option<u64>,
    ) -> Result<(), String> {
        let mut left = count;
        let mut buffer = vec![0; 64 << 10];
        while left != Some(0) {
            let most = left.map_or(buffer.len(), |left| {
                usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()))
            });
            let part = buffer.get_mut(..most).unwrap_or_default();
            let size = connection.read(part).map_err(|error| explain(&error))?;
            if size == 0 && left.is_some() {
                return Err("the server hung up early".to_string());
            }
            if size == 0 {
                break;
            }
            let progress = Progress {
                before: self.done,
                after: self.done.saturating_add(size as u64),
                total: self.total,
            };
            self.done = progress.after;
            left = left.map(|left| left.saturating_sub(size as u64));
            let part = buffer.get(..size).unwrap_or_default();
            (self.sink)(part, progress).map_err(|error| format!("cannot keep it: {error}"))?;
        }
        Ok(())
    }
}

fn explain(error: &std::io::Error) -> String {
    use std::io::ErrorKind::{TimedOut, WouldBlock};

    match error.kind() {
        // What a time-out of a socket looks like.
        TimedOut | WouldBlock => "no answer in time".to_string(),
        _ => error.to_string(),
    }
}
