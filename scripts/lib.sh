# shellcheck shell=bash
# Shared by the scripts here: PostgreSQL's programs, and an unprivileged user for them. Sourced, not run.

# Prints the folder that holds postgres, initdb and pg_ctl; fails when there is none.
pg_bin() {
    local dir link
    local -a places=()
    if [[ -n "${HIKIATE_PG_BIN:-}" ]]; then
        places=("$HIKIATE_PG_BIN")
    else
        link="$(command -v postgres || true)"
        [[ -z "$link" ]] || places+=("$(dirname "$(readlink -f "$link")")")
        link="$(pg_config --bindir 2>/dev/null || true)"
        [[ -z "$link" ]] || places+=("$link")
        while IFS= read -r dir; do places+=("$dir"); done < <(
            ls -d /usr/lib/postgresql/*/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql@*/bin \
                /usr/local/opt/postgresql@*/bin /Library/PostgreSQL/*/bin 2>/dev/null | sort -rV
        )
    fi
    for dir in ${places[@]+"${places[@]}"}; do
        if [[ -x "$dir/postgres" && -x "$dir/initdb" && -x "$dir/pg_ctl" ]]; then
            printf '%s\n' "$dir"
            return 0
        fi
    done
    return 1
}

# The user PostgreSQL runs as when we are root (it refuses root itself); never nobody, whom other programs run as too.
pg_user() {
    local user
    for user in hikiate postgres; do
        if id "$user" >/dev/null 2>&1; then
            echo "$user"
            return 0
        fi
    done
    echo "no user for PostgreSQL: make one (useradd --system --no-create-home hikiate), or run this as an ordinary user" >&2
    return 1
}

# Runs a command as that user when we are root, else as ourselves.
as_pg_user() {
    local user
    if [[ "$(id -u)" != 0 ]]; then
        "$@"
        return
    fi
    user="$(pg_user)"
    if command -v setpriv >/dev/null; then
        setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups -- "$@"
    else
        runuser -u "$user" -- "$@"
    fi
}
