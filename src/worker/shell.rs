//! A person in the place of the checks: a shell on a terminal of its own, in the build's tree, with its environment.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::processes::Stopped;
use super::protocol::{Frame, Terminal};

/// How long a shell may last: builds of its unit wait meanwhile.
const SHELL_MAX: Duration = Duration::from_secs(10 * 60);

/// Read of the terminal at once, in bytes.
const CHUNK_BYTES: usize = 16 * 1024;

/// Serves the person at the other end of `stream` until the shell ends, the person leaves, or the time is over. What
/// the shell leaves running is the caller's to end. `command` has the environment, and is not run.
///
/// # Errors
/// `Stopped`; a system without terminals; what breaks the protocol.
pub fn serve(terminal: &Terminal, command: &Command, mut stream: &UnixStream) -> Result<()> {
    let what = "no terminal can be made";
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).context(what)?;
    grantpt(&master).and_then(|()| unlockpt(&master)).context(what)?;
    let name = ptsname(&master, Vec::new()).context(what)?;
    let slave = open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).context(what)?;
    let size = Winsize { ws_row: terminal.rows, ws_col: terminal.columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&slave, size).context(what)?;
    let mut shell = Command::new("/bin/sh");
    shell.arg("-i").env_clear().env("TERM", &terminal.kind).env("PS1", "$ ");
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.current_dir(command.get_current_dir().unwrap_or("/".as_ref()));
    shell.stdin(slave.try_clone()?).stdout(slave.try_clone()?).stderr(slave);
    // SAFETY: two system calls without allocation or locks, as is allowed between fork and exec.
    unsafe {
        shell.pre_exec(|| {
            rustix::process::setsid()?;
            Ok(rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?)
        });
    }
    let _shell = shell.spawn().context("no shell can be started")?;
    // Ours of the slave are closed with it: then the end of the shell is the end of the terminal.
    drop(shell);
    relay(&mut File::from(master), &mut stream)
}

fn relay(master: &mut File, stream: &mut &UnixStream) -> Result<()> {
    let begun = Instant::now();
    let mut chunk = [0; CHUNK_BYTES];
    loop {
        let left = SHELL_MAX.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return Ok(Frame::Log(b"\r\nThe ten minutes are over.\r\n".to_vec()).write(stream)?);
        }
        let mut fds = [PollFd::new(&*master, PollFlags::IN), PollFd::new(*stream, PollFlags::IN | PollFlags::RDHUP)];
        match poll(&mut fds, Some(&Timespec::try_from(left)?)) {
            Err(Errno::INTR) => continue,
            polled => polled.context("the worker can't poll")?,
        };
        let [said, typed] = fds.map(|fd| !fd.revents().is_empty());
        if typed {
            match Frame::read(stream) {
                Ok(Some(Frame::Typed(bytes))) => master.write_all(&bytes)?,
                other => {
                    ensure!(!matches!(other, Ok(Some(_))), "a shell hears nothing but what is typed");
                    return Err(Stopped.into());
                }
            }
        }
        if said {
            match master.read(&mut chunk) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // EIO: the last one at the terminal has left.
                Ok(0) | Err(_) => return Ok(()),
                Ok(count) => Frame::Log(chunk[..count].to_vec()).write(stream).map_err(|_| Stopped)?,
            }
        }
    }
}
