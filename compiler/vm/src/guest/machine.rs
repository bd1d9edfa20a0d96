// SPDX-License-Identifier: GPL-2.0-or-later
//! What kind of machine to boot, and booting it.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use super::stream::{Event, control_lines, forward};
use super::{Guest, PATIENCE};
use crate::initramfs::{self, PackedFile};
use crate::process::{Helper, find_program, need_program};
use crate::{Error, KernelSet, Result};

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accelerator {
    /// Software emulation, which works everywhere.
    #[default]
    Tcg,
    /// The same with a host thread for each CPU, so that they really run at the same time. Not for
    /// tests: before version 8.1, qemu can go on with the old translation of code that one CPU
    /// patches while another has it translated, and the guest hangs (docs/reliability.md).
    ThreadedTcg,
    /// Software emulation of one CPU where a nanosecond is one instruction: time in the guest
    /// counts instructions and repeats exactly.
    CountedTcg,
    /// The host's virtualisation. Never chosen by itself: `/dev/kvm` can be there and hang.
    Kvm,
}

/// The guest's root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// Busybox and these files.
    Packed(Vec<PackedFile>),
    /// The host's files, read-only beneath a layer that is thrown away.
    Host,
}

/// Debian's UEFI firmware for Secure Boot, and variables that trust one certificate, whose key is
/// public: [`SNAKE_OIL`].
const FIRMWARE: &str = "/usr/share/OVMF/OVMF_CODE_4M.secboot.fd";
const FIRMWARE_VARIABLES: &str = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd";
const VARIABLES: &str = "firmware-variables";
/// Private key (with the pass phrase `snakeoil`) and certificate that a machine with
/// [`Machine::secure_boot`] trusts, for kernels as for modules.
pub const SNAKE_OIL: [&str; 2] = [
    "/usr/share/ovmf/PkKek-1-snakeoil.key",
    "/usr/share/ovmf/PkKek-1-snakeoil.pem",
];

/// Nothing of the host's disks and terminals is in the guest; the machine's id stays the same from
/// boot to boot, so that the journal is one.
const SYSTEMD_ARGUMENTS: &str =
    "fstab=no systemd.getty_auto=no systemd.machine_id=52535441502d6c61622d67756573742d";

/// A machine to boot.
#[derive(Debug, Clone)]
pub struct Machine {
    pub kernel: KernelSet,
    pub root: Root,
    pub accelerator: Accelerator,
    pub memory_mib: u32,
    pub cpus: u32,
    /// Added to the kernel's command line.
    pub kernel_arguments: Vec<String>,
    /// Kernel modules to insert at boot, by name.
    pub modules: Vec<String>,
    /// Hands the machine over to the host's systemd, which starts the agent when it has reached
    /// `multi-user.target`. Only with [`Root::Host`]; none of the host's own services is enabled.
    pub systemd: bool,
    /// Boots through UEFI with Secure Boot: the firmware takes signed kernels only, and the kernel
    /// locks itself down.
    pub secure_boot: bool,
    /// Gives the guest a network card, whose ssh port (22, at 10.0.2.15) answers at this port of
    /// the host. The guest has to bring it up.
    pub ssh_port: Option<u16>,
    /// An ext4 image that keeps what the guest changes of the host's files, for the next boot.
    /// Only with [`Root::Host`].
    pub layer: Option<PathBuf>,
}

impl Machine {
    /// Two emulated CPUs and 1 GiB, as small as Debian's kernel runs well; 3 GiB for one that
    /// checks itself, which remembers something about every byte.
    pub fn new(kernel: KernelSet, root: Root) -> Machine {
        Machine {
            memory_mib: if kernel.checks_itself() { 3072 } else { 1024 },
            kernel,
            root,
            accelerator: Accelerator::Tcg,
            cpus: 2,
            kernel_arguments: Vec::new(),
            modules: Vec::new(),
            systemd: false,
            secure_boot: false,
            ssh_port: None,
            layer: None,
        }
    }

    /// Boots and waits until the guest takes scripts. The machine ends when the calling thread
    /// does, at the latest.
    pub fn boot(&self) -> Result<Guest> {
        let qemu = need_program("qemu-system-x86_64", "qemu-system-x86")?;
        let folder = tempfile::Builder::new()
            .prefix("rstap-vm-")
            .tempdir()
            .map_err(|error| Error::new(format!("cannot create a temporary folder: {error}")))?;
        let mark = random_word()?;
        let (files, packed): (_, &[PackedFile]) = match &self.root {
            Root::Packed(files) => (None, files),
            Root::Host => (Some(start_file_server(folder.path())?), &[]),
        };
        let mut modules = self.modules.clone();
        modules.extend(self.ssh_port.map(|_| "virtio_net".to_owned()));
        let image = initramfs::build(&initramfs::Contents {
            kernel: &self.kernel,
            modules: &modules,
            files: packed,
            host_root: files.is_some(),
            layer: self.layer.is_some(),
            settings: format!(
                "mark='{mark}'\nhost_root={}\nlayer={}\nsystemd={}\n",
                u8::from(files.is_some()),
                u8::from(self.layer.is_some()),
                u8::from(self.systemd)
            ),
        })?;
        if self.secure_boot {
            let variables = folder.path().join(VARIABLES);
            std::fs::copy(FIRMWARE_VARIABLES, &variables).map_err(|error| {
                Error::io("copy", Path::new(FIRMWARE_VARIABLES), error)
                    .hint("install it with: apt-get install ovmf")
            })?;
        }
        let initrd = folder.path().join("initrd");
        std::fs::write(&initrd, image).map_err(|error| Error::io("write", &initrd, error))?;

        let ports = ["control", "stdin", "stdout", "stderr"];
        let mut listeners = Vec::new();
        for port in ports {
            let path = folder.path().join(port);
            let listener =
                UnixListener::bind(&path).map_err(|error| Error::io("create", &path, error))?;
            listener
                .set_nonblocking(true)
                .map_err(|error| Error::io("prepare", &path, error))?;
            listeners.push(listener);
        }
        let errors = folder.path().join("qemu-errors");
        let error_file =
            std::fs::File::create(&errors).map_err(|error| Error::io("create", &errors, error))?;
        let mut qemu = Helper::start(&qemu, |command| {
            self.arguments(command, folder.path(), &initrd, &ports);
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(error_file);
        })?;

        let (sender, events) = channel();
        if let Some(serial) = qemu.child().stdout.take() {
            let make = |piece: &[u8]| vec![Event::Log(piece.to_vec())];
            forward(serial, sender.clone(), make, Some(Event::End));
        }
        let mut streams = Vec::new();
        for listener in &listeners {
            streams.push(accept(listener, &mut qemu, &errors)?);
        }
        let mut streams = streams.into_iter();
        let (Some(control), Some(input), Some(stdout), Some(stderr)) = (
            streams.next(),
            streams.next(),
            streams.next(),
            streams.next(),
        ) else {
            return Err(Error::new("a port of the virtual machine is missing"));
        };
        let reader = control
            .try_clone()
            .map_err(|error| Error::new(format!("cannot share the control port: {error}")))?;
        forward(reader, sender.clone(), control_lines(), None);
        forward(
            stdout,
            sender.clone(),
            |piece| vec![Event::Stdout(piece.to_vec())],
            None,
        );
        forward(
            stderr,
            sender,
            |piece| vec![Event::Stderr(piece.to_vec())],
            None,
        );

        Guest {
            qemu,
            _files: files,
            _folder: folder,
            control,
            input: Some(input),
            events,
            mark,
            log: Vec::new(),
            lines: Default::default(),
            ended: false,
            patience: PATIENCE * self.kernel.slowness(),
        }
        .await_ready()
    }

    fn arguments(&self, command: &mut Command, folder: &Path, initrd: &Path, ports: &[&str]) {
        let cpus = if self.accelerator == Accelerator::CountedTcg {
            1
        } else {
            self.cpus.max(1)
        };
        match self.accelerator {
            Accelerator::Tcg => {
                // One thread runs all CPUs in turn: see `ThreadedTcg`.
                command.args(["-accel", "tcg,thread=single", "-cpu", "max"]);
            }
            Accelerator::ThreadedTcg => {
                command.args(["-accel", "tcg,thread=multi", "-cpu", "max"]);
            }
            Accelerator::CountedTcg => {
                command.args(["-accel", "tcg,thread=single", "-cpu", "max"]);
                command.args(["-icount", "shift=0,sleep=off"]);
            }
            Accelerator::Kvm => {
                command.args(["-accel", "kvm", "-cpu", "host"]);
            }
        }
        if self.secure_boot {
            let variables = folder.join(VARIABLES);
            command
                .args(["-machine", "q35,smm=on"])
                .args(["-global", "driver=cfi.pflash01,property=secure,value=on"])
                .arg("-drive")
                .arg(format!(
                    "if=pflash,unit=0,format=raw,readonly=on,file={FIRMWARE}"
                ))
                .arg("-drive")
                .arg(format!(
                    "if=pflash,unit=1,format=raw,file={}",
                    variables.display()
                ));
        }
        // Of the older machine, each device's interrupt takes half a minute to find beneath KASAN:
        // its firmware describes them with a program. Here they are a table.
        if self.kernel.checks_itself() && !self.secure_boot {
            command.args(["-machine", "q35"]);
        }
        let memory = self.memory_mib.max(256);
        command.args([
            "-nodefaults",
            "-no-reboot",
            "-display",
            "none",
            "-vga",
            "none",
        ]);
        command.args(["-m", &memory.to_string(), "-smp", &cpus.to_string()]);
        command
            .arg("-kernel")
            .arg(&self.kernel.vmlinuz)
            .arg("-initrd")
            .arg(initrd);
        command.args(["-append", &self.kernel_command_line()]);
        command.args([
            "-monitor",
            "none",
            "-serial",
            "stdio",
            "-device",
            "virtio-serial-pci",
        ]);
        for port in ports {
            let socket = folder.join(port);
            command
                .arg("-chardev")
                .arg(format!("socket,id={port},path={}", socket.display()));
            command
                .arg("-device")
                .arg(format!("virtserialport,chardev={port},name={port}"));
        }
        if self.root == Root::Host {
            let socket = folder.join("files");
            command
                .arg("-object")
                .arg(format!(
                    "memory-backend-memfd,id=memory,size={memory}M,share=on"
                ))
                .args(["-numa", "node,memdev=memory"])
                .arg("-chardev")
                .arg(format!("socket,id=files,path={}", socket.display()))
                .args([
                    "-device",
                    "vhost-user-fs-pci,queue-size=1024,chardev=files,tag=hostroot",
                ]);
        }
        if let Some(port) = self.ssh_port {
            command
                .arg("-netdev")
                .arg(format!(
                    "user,id=net,hostfwd=tcp:127.0.0.1:{port}-10.0.2.15:22"
                ))
                .args(["-device", "virtio-net-pci,netdev=net,romfile="]);
        }
        if let Some(layer) = &self.layer {
            command
                .arg("-drive")
                .arg(format!("file={},format=raw,if=virtio", layer.display()));
        }
    }

    fn kernel_command_line(&self) -> String {
        // On a busy host the emulated timer may look dead when the kernel tests it.
        let mut line = "console=ttyS0 quiet panic=-1 oops=panic no_timer_check".to_string();
        // Old versions of qemu translate a program again at each address where it runs, and list all
        // translations by page. After hundreds of starts at random addresses a start takes two or
        // three times as long, and clearing one page that held a program has taken more than a minute.
        if self.accelerator != Accelerator::Kvm {
            line.push_str(" norandmaps");
        }
        if self.systemd {
            line.push(' ');
            line.push_str(SYSTEMD_ARGUMENTS);
        }
        for argument in &self.kernel_arguments {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }
}

/// Waits for qemu to connect, unless it ends first.
fn accept(listener: &UnixListener, qemu: &mut Helper, errors: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                return stream
                    .set_nonblocking(false)
                    .map(|()| stream)
                    .map_err(|error| Error::new(format!("cannot use a port: {error}")));
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(Error::new(format!("cannot reach qemu: {error}"))),
        }
        let status = qemu.try_wait()?;
        if status.is_some() || Instant::now() > deadline {
            let text = std::fs::read_to_string(errors).unwrap_or_default();
            return Err(Error::new(format!("qemu did not start: {}", text.trim())));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A word that no program prints by chance.
fn random_word() -> Result<String> {
    use std::io::Read;
    let path = Path::new("/dev/urandom");
    let mut bytes = [0u8; 16];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Error::io("read", path, error))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Starts virtiofsd on the host's root folder and waits for its socket.
fn start_file_server(folder: &Path) -> Result<Helper> {
    let server = file_server()?;
    let socket = folder.join("files");
    let errors = folder.join("files-errors");
    let error_file =
        std::fs::File::create(&errors).map_err(|error| Error::io("create", &errors, error))?;
    let mut helper = Helper::start(&server.program, |command| {
        command
            .arg(format!("--socket-path={}", socket.display()))
            .args(&server.arguments);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(error_file);
    })?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while !socket.exists() {
        if helper.try_wait()?.is_some() || Instant::now() > deadline {
            let text = std::fs::read_to_string(&errors).unwrap_or_default();
            return Err(
                Error::new(format!("virtiofsd did not start: {}", text.trim()))
                    .hint("sharing the host's files needs root; without it, pack files instead"),
            );
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(helper)
}

struct FileServer {
    program: PathBuf,
    arguments: Vec<&'static str>,
}

/// Debian 12's virtiofsd comes with qemu and has its own options; later suites package another.
fn file_server() -> Result<FileServer> {
    let root = nix::unistd::geteuid().is_root();
    let old = PathBuf::from("/usr/lib/qemu/virtiofsd");
    if old.is_file() && root {
        let arguments = vec![
            "-o",
            "source=/",
            "-o",
            "cache=always",
            "-o",
            "sandbox=chroot",
        ];
        return Ok(FileServer {
            program: old,
            arguments,
        });
    }
    let new = PathBuf::from("/usr/libexec/virtiofsd");
    let program = if new.is_file() {
        Some(new)
    } else {
        find_program("virtiofsd")
    };
    match program {
        Some(program) => {
            let sandbox = if root {
                "--sandbox=chroot"
            } else {
                "--sandbox=none"
            };
            let arguments = vec!["--shared-dir=/", "--cache=always", sandbox];
            Ok(FileServer { program, arguments })
        }
        None if old.is_file() => Err(Error::new(
            "sharing the host's files with a virtual machine needs root here",
        )),
        None => Err(Error::new("the program virtiofsd is not installed")
            .hint("install it with: apt-get install virtiofsd (Debian 12: qemu-system-common)")),
    }
}

/// True when [`Root::Host`] can be had. Tries it once: the file server may be there and not be
/// allowed to do its work, for instance in a container.
pub fn can_share_host_files() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        tempfile::tempdir().is_ok_and(|folder| start_file_server(folder.path()).is_ok())
    })
}
