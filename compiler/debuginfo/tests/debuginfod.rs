// SPDX-License-Identifier: GPL-2.0-or-later

//! Debug files from a server: one that answers well, and ones that do not.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rstap_debuginfo::{DebugInfo, DebugServers, FunctionQuery, KernelPaths, Source};

/// What a server says, by path; `404 Not Found` for all else.
type Answers = HashMap<String, Vec<u8>>;

/// A server for as long as the test runs; its address, and the paths asked for.
fn serve(answers: Answers) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address");
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.expect("a connection");
            let mut reader = BufReader::new(connection.try_clone().expect("a copy"));
            let mut request = String::new();
            reader.read_line(&mut request).expect("a request");
            let mut line = String::new();
            while reader.read_line(&mut line).expect("a header") > 2 {
                line.clear();
            }
            let path = request.split(' ').nth(1).expect("a path").to_string();
            let missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
            let answer = answers.get(&path).unwrap_or(&missing);
            log.lock().expect("no panic").push(path);
            // The client may have seen enough.
            let _ = connection.write_all(answer);
        }
    });
    (format!("http://{address}"), asked)
}

fn with_length(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn in_chunks(body: &[u8]) -> Vec<u8> {
    let mut answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in body.chunks(5000) {
        answer.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        answer.extend_from_slice(chunk);
        answer.extend_from_slice(b"\r\n");
    }
    answer.extend_from_slice(b"0\r\n\r\n");
    answer
}

fn moved(to: &str) -> Vec<u8> {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    assert!(
        status.expect("it is installed").success(),
        "{program} {arguments:?}"
    );
}

/// A stripped program, its build id, and what was stripped off it.
fn stripped(folder: &Path) -> (PathBuf, String, Vec<u8>) {
    let (program, debug) = (folder.join("program"), folder.join("other-name"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sample.c");
    let (program_text, debug_text) = (program.display().to_string(), debug.display().to_string());
    let source = source.display().to_string();
    run(
        "gcc",
        &["-O2", "-g", "-Wl,--build-id", "-o", &program_text, &source],
    );
    run(
        "objcopy",
        &["--only-keep-debug", &program_text, &debug_text],
    );
    run("strip", &[&program_text]);
    let debug = std::fs::read(debug).expect("it was just written");
    let info = DebugInfo::open(KernelPaths::default()).expect("opens without a kernel");
    let module = info.module(&program_text).expect("opens the program");
    assert!(!info.has(module, Source::Dwarf), "it is stripped");
    let id = info.build_id(module).expect("the linker gave it one");
    (program, id, debug)
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("debuginfod-{name}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

fn servers(folder: &Path, urls: &[&str]) -> DebugServers {
    DebugServers {
        urls: urls.iter().map(|url| url.to_string()).collect(),
        cache: folder.join("cache"),
        timeout: Duration::from_secs(2),
        progress: None,
    }
}

/// Whether a function of the program is known with its file; else why not.
fn find(program: &Path, servers: DebugServers) -> Result<bool, String> {
    let paths = KernelPaths {
        servers: Some(servers),
        ..KernelPaths::default()
    };
    let info = DebugInfo::open(paths).expect("opens without a kernel");
    let module = info.module(&program.display().to_string());
    let module = module.map_err(|error| error.to_string())?;
    let query = FunctionQuery {
        name: "plain".to_string(),
        file: Some("sample.c".to_string()),
        ..FunctionQuery::default()
    };
    let found = info.functions(module, &query);
    found
        .map(|found| !found.is_empty())
        .map_err(|error| error.to_string())
}

#[test]
fn a_debug_file_is_fetched_once_and_kept() {
    let folder = folder("kept");
    let (program, id, debug) = stripped(&folder);
    let path = format!("/buildid/{id}/debuginfo");
    let (url, asked) = serve(HashMap::from([(path.clone(), with_length(&debug))]));
    assert_eq!(find(&program, servers(&folder, &[&url])), Ok(true));
    assert_eq!(*asked.lock().expect("no panic"), [path]);
    // The layout of elfutils' client.
    let kept = folder.join("cache").join(&id).join("debuginfo");
    assert_eq!(std::fs::read(kept).expect("it is kept"), debug);
    // No server is needed now.
    let nobody = "http://127.0.0.1:1";
    assert_eq!(find(&program, servers(&folder, &[nobody])), Ok(true));
}

#[test]
fn chunks_and_redirections_are_followed() {
    let folder = folder("chunks");
    let (program, id, debug) = stripped(&folder);
    let (url, asked) = serve(HashMap::from([
        (format!("/buildid/{id}/debuginfo"), moved("/elsewhere")),
        ("/elsewhere".to_string(), in_chunks(&debug)),
    ]));
    assert_eq!(find(&program, servers(&folder, &[&url])), Ok(true));
    assert_eq!(asked.lock().expect("no panic").len(), 2);
}

#[test]
fn the_next_server_is_asked_and_a_miss_is_remembered() {
    let folder = folder("miss");
    let (program, id, debug) = stripped(&folder);
    let (empty, asked) = serve(HashMap::new());
    let missing = find(&program, servers(&folder, &[&empty]));
    assert!(missing.is_err_and(|error| error.contains("no debug information")));
    assert!(find(&program, servers(&folder, &[&empty])).is_err());
    assert_eq!(
        asked.lock().expect("no panic").len(),
        1,
        "asked again at once"
    );
    std::fs::remove_dir_all(folder.join("cache")).expect("it is there");
    let path = format!("/buildid/{id}/debuginfo");
    let (full, _) = serve(HashMap::from([(path, with_length(&debug))]));
    assert_eq!(find(&program, servers(&folder, &[&empty, &full])), Ok(true));
}

#[test]
fn a_bad_answer_leaves_no_file_and_is_told() {
    let folder = folder("bad");
    let (program, id, debug) = stripped(&folder);
    let path = format!("/buildid/{id}/debuginfo");
    let mut cut = with_length(&debug);
    cut.truncate(cut.len() / 2);
    let bad: [(&str, Vec<u8>, &str); 5] = [
        ("cut", cut, "hung up early"),
        ("loop", moved(&path), "redirected too often"),
        ("error", b"HTTP/1.1 500 Oh\r\n\r\n".to_vec(), "500 Oh"),
        ("noise", b"\xff\xfe\r\n\r\n".to_vec(), "does not speak HTTP"),
        (
            "chunk",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n".to_vec(),
            "bad chunk",
        ),
    ];
    for (name, answer, complaint) in bad {
        let (url, _) = serve(HashMap::from([(path.clone(), answer)]));
        let error = find(&program, servers(&folder, &[&url])).expect_err(name);
        assert!(error.contains(complaint), "{name}: {error}");
        let kept = std::fs::read_dir(folder.join("cache").join(&id));
        assert_eq!(kept.expect("the folder").count(), 0, "{name}");
    }
}

#[test]
fn a_silent_server_is_given_up() {
    let folder = folder("silent");
    let (program, _, _) = stripped(&folder);
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut servers = servers(&folder, &[&url]);
    servers.timeout = Duration::from_millis(200);
    let error = find(&program, servers).expect_err("nobody answers");
    assert!(error.contains("no answer in time"), "{error}");
}
