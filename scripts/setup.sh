#!/bin/sh
# Sets a machine up: .venv with the pinned package, ngspice and KLayout, the models of the PDKs.
# Safe to run again: what is done is skipped. Options: --dry-run shows what it would do.
set -eu
cd "$(dirname "$0")/.."

DRY_RUN=no
[ "${1:-}" = "--dry-run" ] && DRY_RUN=yes
VENV=.venv
APT_STAMP=$VENV/.apt-done
PIP_STAMP=$VENV/.pip-done
PYTHON=${PYTHON:-}

say() { printf 'setup: %s\n' "$*"; }
fail() { printf 'setup: %s\n' "$*" >&2; exit 5; }
run() {
    if [ "$DRY_RUN" = yes ]; then printf '  would run: %s\n' "$*"; else "$@"; fi
}

# --- who may install ---------------------------------------------------------------------
as_root() {
    if [ "$(id -u)" = 0 ]; then run env DEBIAN_FRONTEND=noninteractive "$@"
    else run sudo -n env DEBIAN_FRONTEND=noninteractive "$@"; fi
}
can_install() {
    command -v apt-get >/dev/null 2>&1 || return 1
    [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; }
}

# --- Debian release and mirror -----------------------------------------------------------
os_field() { sed -n "s/^$1=\"\{0,1\}\([^\"]*\)\"\{0,1\}$/\1/p" "${OS_RELEASE:-/etc/os-release}" 2>/dev/null | head -n 1; }
is_debian_12() { [ "$(os_field ID)" = debian ] && [ "$(os_field VERSION_ID)" = 12 ]; }

# The machine's own Debian mirror: deb822 files first, then one-line files. Security and
# backports archives are passed over.
APT_DIR=${APT_DIR:-/etc/apt}
mirror() {
    for file in "$APT_DIR"/sources.list.d/*.sources; do
        [ -f "$file" ] || continue
        awk 'function flush() { if (uri != "" && suite) { print uri; exit } uri = ""; suite = 0 }
             /^[ \t]*$/ { flush(); next }
             /^#/ { next }
             tolower($1) == "uris:" { uri = $2 }
             tolower($1) == "suites:" { for (i = 2; i <= NF; i++) if ($i == "bookworm") suite = 1 }
             END { flush() }' "$file"
    done | head -n 1
}
mirror_one_line() {
    for file in "$APT_DIR"/sources.list "$APT_DIR"/sources.list.d/*.list; do
        [ -f "$file" ] || continue
        sed -n 's/\[[^]]*\]//; s/^[ \t]*deb[ \t]\{1,\}\([^ \t]\{1,\}\)[ \t]\{1,\}bookworm[ \t].*/\1/p' "$file"
    done | head -n 1
}
keyring() {
    for key in /usr/share/keyrings/debian-archive-keyring.gpg /usr/share/keyrings/debian-archive-keyring.pgp; do
        [ -f "$key" ] && { printf '[signed-by=%s] ' "$key"; return; }
    done
    printf ''
}
has_backports() { grep -rqs 'bookworm-backports' "$APT_DIR"/sources.list "$APT_DIR"/sources.list.d; }
enable_backports() {
    has_backports && return 0
    uri=$(mirror)
    [ -n "$uri" ] || uri=$(mirror_one_line)
    if [ -z "$uri" ]; then
        say "no Debian mirror found in $APT_DIR; taking the distribution's ngspice"
        return 1
    fi
    line="deb $(keyring)$uri bookworm-backports main"
    say "adding bookworm-backports from this machine's own mirror"
    if [ "$DRY_RUN" = yes ]; then printf '  would write: %s\n' "$line"; return 0; fi
    printf '%s\n' "$line" | as_root tee "$APT_DIR/sources.list.d/nngen-backports.list" >/dev/null
}

# --- ngspice and KLayout -----------------------------------------------------------------
ngspice_version() { ngspice --version 2>/dev/null | sed -n 's/.*ngspice-\([0-9]*\).*/\1/p' | head -n 1; }
shared_library() { ldconfig -p 2>/dev/null | sed -n 's/.*libngspice\.so\.0 .*=> //p' | head -n 1; }
python_version_ok() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
find_python() {
    for candidate in $PYTHON python3 python3.13 python3.12 python3.11; do
        if command -v "$candidate" >/dev/null 2>&1 && python_version_ok "$candidate"; then
            printf '%s' "$candidate"
            return
        fi
    done
}

missing_packages() {
    version=$(ngspice_version)
    if [ -z "$version" ] || [ -z "$(shared_library)" ]; then printf 'ngspice libngspice0 '
    elif is_debian_12 && [ "$version" -lt 40 ] && [ ! -f "$APT_STAMP" ]; then printf 'ngspice libngspice0 '; fi
    command -v klayout >/dev/null 2>&1 || [ -f "$APT_STAMP" ] || printf 'klayout '
    python=$(find_python)
    if [ -n "$python" ] && ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then printf 'python3-venv '; fi
}

install_tools() {
    packages=$(missing_packages)
    if [ -z "$packages" ]; then return; fi
    if ! can_install; then
        origin=
        case " $packages" in *ngspice*) is_debian_12 && origin=" (the first two from bookworm-backports)" ;; esac
        case " $packages" in
            *ngspice*|*venv*)
                say "these packages are missing and this user cannot install them." >&2
                fail "ask an administrator for: apt-get install ${packages% }$origin; then run this again." ;;
        esac
        say "KLayout is missing and this user cannot install it; the public DRC deck will be 'not run'."
        say "ask an administrator for: apt-get install klayout"
        return
    fi
    target=
    if is_debian_12; then
        case " $packages" in *ngspice*) enable_backports && target=yes ;; esac
    fi
    as_root apt-get update -q
    for package in $packages; do
        case $package in
            ngspice|libngspice0)
                if [ -n "$target" ] && as_root apt-get install -qy --no-install-recommends -t bookworm-backports "$package"; then
                    continue
                fi
                as_root apt-get install -qy --no-install-recommends "$package" ;;
            klayout)
                as_root apt-get install -qy --no-install-recommends klayout ||
                    say "KLayout could not be installed; the public DRC deck will be 'not run'." ;;
            *) as_root apt-get install -qy --no-install-recommends "$package" ;;
        esac
    done
}

describe_ngspice() {
    version=$(ngspice_version)
    if [ -z "$version" ]; then [ "$DRY_RUN" = yes ] && return 0; fail "ngspice is still not there after the installation."; fi
    if ngspice --version 2>/dev/null | grep -q KLU; then solver="KLU (fast)"; else solver="Sparse only (slow: no KLU)"; fi
    say "ngspice $version, solver $solver, shared library $(shared_library)"
    library=$(shared_library)
    [ -n "$library" ] || [ "$DRY_RUN" = yes ] || fail "libngspice.so.0 is missing; install the package libngspice0."
}

# --- Python ------------------------------------------------------------------------------
install_python() {
    python=$(find_python)
    [ -n "$python" ] || fail "Python 3.11 or newer is needed; install it, or name it with PYTHON=/path/to/python."
    if [ ! -x "$VENV/bin/python" ]; then
        say "creating $VENV with $("$python" --version)"
        run "$python" -m venv "$VENV"
    fi
    sum=$(cat pyproject.toml constraints.txt | cksum)
    if [ "$DRY_RUN" = no ] && [ -f "$PIP_STAMP" ] && [ "$(cat "$PIP_STAMP")" = "$sum" ]; then return; fi
    say "installing the pinned packages into $VENV"
    run "$VENV/bin/python" -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
    # Compiled once here: where Python may not write its bytecode, every start of nngen would compile it again.
    run "$VENV/bin/python" -m compileall -q nngen
    [ "$DRY_RUN" = yes ] || printf '%s\n' "$sum" >"$PIP_STAMP"
}

install_tools
describe_ngspice
install_python
[ "$DRY_RUN" = yes ] || : >"$APT_STAMP"
run "$VENV/bin/nngen" pdk install sky130
run "$VENV/bin/nngen" pdk install gf180mcu
say "done"
