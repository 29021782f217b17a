//! Who may connect: the server's user and root, by its socket, and nobody over a network. A server that somebody starts on
//! the data by hand listens where its own settings say, and keeps to this as well.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::below;
use super::error::{LauncherError, io_at};
use super::layout::Layout;
use super::roles::{ADMIN, CHANGE, ROLE};
use super::server::tidy;
use super::user::RunAs;

/// The files, and what is in them.
const RULES: &str = "pg_hba.conf";
const NAMES: &str = "pg_ident.conf";

/// The first line of both.
const MARK: &str = "# hikiate writes this file at each start.";

/// Takes the place of a file by a rename, as the user whose folder it is.
const WRITE: &str = "umask 077 && cat >\"$1.new\" && mv -f \"$1.new\" \"$1\"";

/// Writes both files where they say something else.
pub(super) fn tighten(data: &Path, layout: &Layout, user: &RunAs) -> Result<(), LauncherError> {
    // The names first: by the rules alone nobody could connect.
    for (name, text) in [(NAMES, names(&user.names())), (RULES, rules())] {
        if below::read(data, name).is_ok_and(|is| is.as_deref() == Some(text.as_str())) {
            continue;
        }
        write(data, name, &text, layout, user)?;
    }
    Ok(())
}

/// Whether the data were started by a version that keeps the roles apart.
pub(super) fn is_tight(data: &Path) -> bool {
    below::read(data, RULES).is_ok_and(|text| text.is_some_and(|text| text.starts_with(MARK)))
}

fn rules() -> String {
    format!(
        "{MARK}\n\
         local all all peer map={ROLE}\n\
         local replication all peer map={ROLE}\n\
         host all all all reject\n\
         host replication all all reject\n"
    )
}

fn names(users: &[String]) -> String {
    let mut text = format!("{MARK}\n");
    for user in users {
        for role in [ROLE, ADMIN, CHANGE] {
            text.push_str(&format!("{ROLE} \"{user}\" {role}\n"));
        }
    }
    text
}

fn write(
    data: &Path,
    name: &str,
    text: &str,
    layout: &Layout,
    user: &RunAs,
) -> Result<(), LauncherError> {
    let path = data.join(name);
    let mut command = Command::new("/bin/sh");
    tidy(&mut command, layout, user);
    let mut child = command
        .args(["-c", WRITE, "sh", name])
        .current_dir(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(io_at("write", &path))?;
    if let Some(mut input) = child.stdin.take() {
        // When the shell has failed, it says why itself.
        input.write_all(text.as_bytes()).ok();
    }
    let output = child.wait_with_output().map_err(io_at("write", &path))?;
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(io_at("write", &path)(std::io::Error::other(words)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_comes_over_a_network_and_each_user_may_take_each_role() {
        let rules = rules();
        assert!(!rules.contains("trust"), "{rules}");
        let hosts = rules.lines().filter(|line| line.starts_with("host"));
        assert!(
            hosts.clone().count() == 2 && hosts.into_iter().all(|line| line.ends_with("reject"))
        );
        let names = names(&["postgres".to_owned(), "root".to_owned()]);
        for user in ["postgres", "root"] {
            for role in [ROLE, ADMIN] {
                assert!(
                    names.contains(&format!("hikiate \"{user}\" {role}\n")),
                    "{names}"
                );
            }
        }
    }
}
