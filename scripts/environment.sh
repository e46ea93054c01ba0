# shellcheck shell=bash
# Virtual environments for scripts/run and scripts/test, which source this after setting self, their own
# path, and root, the project's directory. Bash 3.2 has to understand it: macOS has no newer one.
# shellcheck disable=SC2154

say() {
  printf '%s: %s\n' "scripts/${self##*/}" "$*" >&2
}

fail() {
  say "$@"
  exit 1
}

# Makes the environment in directory $1 hold what $2 asks pip for, if it doesn't yet, and sets bin to where its programs are.
ensure_environment() {
  local directory=$1 request=$2 python
  find_bin "$directory"
  if is_ready "$directory" "$request"; then return; fi
  # Each in a statement of its own, or its failure would pass unseen.
  python=$(find_python) || exit 1
  hold_lock "$python" || exit 1
  if ! is_ready "$directory" "$request"; then make_environment "$directory" "$request" "$python"; fi
  exec 9>&-
}

is_ready() {
  local versions
  [ -f "$1/made-of" ] && versions=$("$bin/python" -V 2>&1) || return 1
  [ "$(cat "$1/made-of")" = "$(ingredients "$2")" ] || return 1
  [ -z "${PYTHON:-}" ] || [ "$("$PYTHON" -V 2>&1)" = "$versions" ]
}

# What an environment depends on. The project's directory is in it, since an environment doesn't survive a move, and a copy's
# would still point at the original.
ingredients() {
  printf '%s\n' "$root" "$1"
  "$bin/python" -V 2>&1
  (cd "$root" && cksum setup.cfg pyproject.toml scripts/environment.sh)
}

find_bin() {
  bin=$1/bin
  if [ -d "$1/Scripts" ]; then bin=$1/Scripts; fi # Windows
}

make_environment() {
  local directory=$1 request=$2 python=$3 log=$1/setup.log
  say "setting up ${directory#"$root"/}, which takes a moment"
  # Leftovers of a run that was killed: made-of, written last, is missing there.
  { rm -rf "$directory" && mkdir -p "$directory"; } || fail "$directory can't be replaced."
  # Nothing here may read what is meant for the program, and nobody's pip settings may lead out of the environment.
  {
    "$python" -m venv "$directory" && find_bin "$directory" && cd "$root" &&
      PIP_USER=0 "$bin/python" -m pip install --no-input --upgrade pip &&
      PIP_USER=0 "$bin/python" -m pip install --no-input --editable "$request"
  } >"$log" 2>&1 </dev/null || {
    tail -n 25 "$log" >&2
    fail "$python could not set up ${directory#"$root"/}: see above. All of it is in $log." \
      "pip needs a way to PyPI; behind a proxy, set HTTPS_PROXY."
  }
  ingredients "$request" >"$directory/made-of"
}

# Keeps other runs from setting up at the same time until descriptor 9 is closed, by a kill too. The lock belongs to the
# descriptor, which Python shares with this shell; flock(1) would do the same, but macOS has none. Windows has neither.
hold_lock() {
  mkdir -p "$root/.venv-lock" && exec 9>"$root/.venv-lock/held" && "$1" -c '
import signal, sys
try:
    import fcntl
except ImportError:
    sys.exit()
signal.signal(signal.SIGINT, signal.SIG_DFL)
try:
    fcntl.flock(9, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError:
    print("waiting for another run to set up its environment", file=sys.stderr)
    fcntl.flock(9, fcntl.LOCK_EX)
except OSError:
    pass  # a file system without locks
' </dev/null
}

# Prints a Python that can make environments: PYTHON, or else the first that will do.
find_python() {
  local candidate version verdict bare="" bare_version="" old=""
  set -- python3 python python3.14 python3.13 python3.12 python3.11 python3.10
  if [ -n "${PYTHON:-}" ]; then set -- "$PYTHON"; fi
  for candidate; do
    read -r verdict version <<<"$(judge "$candidate")"
    case $verdict in
      good) printf '%s\n' "$candidate" && return ;;
      bare) if [ -z "$bare" ]; then bare="$candidate is Python $version" bare_version=$version; fi ;;
      old) old="$old${old:+, }$candidate is Python $version" ;;
    esac
  done
  if [ -n "$bare" ]; then
    fail "$bare, but without venv and ensurepip, which make virtual environments. To install them:
  Debian, Ubuntu   sudo apt install python3-venv  (python$bare_version-venv where that isn't the system's own)
  elsewhere        take Python from python.org, Homebrew, pyenv or uv: theirs has both
Another Python can be named: PYTHON=/path/to/python3 scripts/${self##*/}"
  fi
  fail "Python 3.10 or newer is needed; ${old:-no ${PYTHON:-python3} starts here}. To install it:
  Debian, Ubuntu   sudo apt install python3 python3-venv
  Fedora           sudo dnf install python3
  macOS            brew install python
  Windows          winget install Python.Python.3.13
One that isn't found can be named: PYTHON=/path/to/python3 scripts/${self##*/}"
}

# Prints good, bare (no venv or ensurepip) or old, and the version; nothing where $1 doesn't start. Python 2 reads it too.
judge() {
  "$1" -c '
import sys
verdict = "good"
try:
    import ensurepip, venv
except ImportError:
    verdict = "bare"
if sys.version_info < (3, 10):
    verdict = "old"
print("%s %d.%d" % ((verdict,) + tuple(sys.version_info[:2])))
' 2>/dev/null </dev/null || true
}
