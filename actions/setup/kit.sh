# shellcheck shell=bash disable=SC2034 # what is set here is read where it is sourced
# What every action here does before its own work; sourced by their scripts. Reads its inputs from PK_… variables alone.
# Afterwards $kit is the program to run. Works in bash 3.2 and newer, on any runner with Python 3.11 or uv.
set -euo pipefail

kit_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
kit=''

kit_fail() { # TEXT: end the step with exit code 2 and TEXT as an error, none of which acts on the runner or a terminal
  local text=$1 LC_ALL=C
  case $text in *[!\ -~]*) text=$(printf '%q' "$text") ;; esac
  text=${text//'%'/%25}
  printf '::error::%s\n' "$text"
  exit 2
}

kit_flag() { # NAME VALUE: fail unless VALUE is true or false; succeed for true
  case $2 in
    true) return 0 ;;
    false) return 1 ;;
    *) kit_fail "input $1 is '$2': write true or false" ;;
  esac
}

kit_required() { # NAME VALUE
  if [ -z "$2" ]; then kit_fail "input $1 is required"; fi
}

kit_words() { # TEXT: append its words, separated by blanks or line ends, to the array "words"; nothing is expanded
  local line names name
  while IFS= read -r line || [ -n "$line" ]; do
    read -r -a names <<< "$line" || true
    for name in ${names[@]+"${names[@]}"}; do words+=("$name"); done
  done <<< "$1"
}

kit_each() { # OPTION TEXT: append "OPTION LINE" for each line of TEXT that is not blank
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line#"${line%%[![:space:]]*}"} line=${line%"${line##*[![:space:]]}"}
    if [ -n "$line" ]; then words+=("$1=$line"); fi
  done <<< "$2"
}

kit_start() { # set "words" to the program's global options
  words=(-C "${PK_DIRECTORY:-.}")
  if [ -n "${PK_CONFIG:-}" ]; then words+=(--config "$PK_CONFIG"); fi
}

kit_sha256() {
  if command -v sha256sum > /dev/null; then sha256sum; else shasum -a 256; fi | cut -c 1-16
}

kit_find_home() { # set kit_source and kit_home
  # By content, not by path: two actions of one commit share an installation, two commits never do.
  kit_source=$(
    cd "$kit_root"
    {
      find pipeline_kit examples/workflows buildspec-templates -type f ! -path '*/__pycache__/*' 2> /dev/null
      printf '%s\n' pyproject.toml constraints.txt
    } | LC_ALL=C sort | tr '\n' '\0' | xargs -0 cat | kit_sha256
  )
  kit_home=$RUNNER_TEMP/pipeline-kit-$kit_source
}

kit_find_place() { # set kit_key and kit_place
  # A virtual environment holds on one machine type, at one path, for one Python at its path.
  local python
  python=$("$PK_PYTHON" -c 'import platform, sys; print(sys.version, sys.base_prefix, platform.libc_ver())' 2> /dev/null) || python=none
  kit_key=pipeline-kit-$(printf '%s\n' "$kit_source" "$python" "$(uname -sm)" "$PK_AWS" "$RUNNER_TEMP" | kit_sha256)
  kit_place=$kit_home/$kit_key
}

kit_known() { # succeed and set kit when this job has an installation already
  [ -s "$kit_home/program" ] || return 1
  kit=$(cat "$kit_home/program")
  "$kit" --version > /dev/null 2>&1
}

kit_make() { # make kit_place with uv, else with venv and pip; both keep to constraints.txt, build backend included
  local extra='' pins=$kit_root/constraints.txt
  if kit_flag aws "$PK_AWS"; then extra='[aws]'; fi
  rm -rf "$kit_place"
  if command -v uv > /dev/null; then
    local wanted=$PK_PYTHON
    kit_is_new "$PK_PYTHON" || wanted='>=3.11'
    uv venv --quiet --no-project --python "$wanted" "$kit_place"
    uv pip install --quiet --python "$kit_place/bin/python" --constraints "$pins" --build-constraints "$pins" "$kit_root$extra"
    return
  fi
  kit_is_new "$PK_PYTHON" || kit_fail "'$PK_PYTHON' is not Python 3.11 or newer: set the input python, or run actions/setup-python before"
  export PIP_CONSTRAINT=$pins PIP_BUILD_CONSTRAINT=$pins PIP_DISABLE_PIP_VERSION_CHECK=1
  if "$PK_PYTHON" -m pip --version > /dev/null 2>&1; then # its pip serves: making another takes seconds
    "$PK_PYTHON" -m venv --without-pip "$kit_place"
    "$PK_PYTHON" -m pip --python "$kit_place/bin/python" install --quiet "$kit_root$extra"
  else
    "$PK_PYTHON" -m venv "$kit_place"
    "$kit_place/bin/python" -m pip install --quiet "$kit_root$extra"
  fi
}

kit_is_new() { # PYTHON: succeed for 3.11 and newer
  "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null
}

kit_install() { # set kit and kit_is_old; install only where neither this job nor a restored cache has it
  kit_flag aws "$PK_AWS" || true
  kit_is_old=true
  local given=${PK_PROGRAM:-${PIPELINE_KIT_PROGRAM:-}}
  if [ -n "$given" ]; then
    kit_use "$given"
    if [ -z "${PK_PROGRAM:-}" ]; then return; fi
  fi
  kit_find_home
  if [ -z "$given" ] && ! kit_known; then
    kit_find_place
    kit=$kit_place/bin/pipeline-kit
    if ! "$kit" --version 2> /dev/null; then
      kit_is_old=false
      echo "::group::Install pipeline-kit"
      kit_make
      "$kit" --version
      echo "::endgroup::"
    fi
  fi
  mkdir -p "$kit_home"
  printf '%s\n' "$kit" > "$kit_home/program"
}

kit_use() { # PROGRAM: set kit to one that is installed already
  case $1 in *[[:cntrl:]]*) kit_fail "the program '$1' is no path" ;; esac
  if ! kit=$(command -v -- "$1") || ! "$kit" --version; then kit_fail "the program '$1' does not run"; fi
  case $kit in /*) ;; *) kit=$PWD/$kit ;; esac
}

kit_link() { # make kit_home/bin with our programs alone: a virtual environment on PATH would hide the job's own python
  local name
  kit_find_home
  mkdir -p "$kit_home/bin"
  for name in pipeline-kit docker-credential-pipeline-kit; do
    if [ ! "$(dirname "$kit")/$name" -ef "$kit_home/bin/$name" ] && [ -e "$(dirname "$kit")/$name" ]; then
      ln -sf "$(dirname "$kit")/$name" "$kit_home/bin/$name"
    fi
  done
}

kit_login() { # log in to PK_REGISTRY; the password goes to that host alone, which the workflow and no configuration names
  local registry=${PK_REGISTRY:-} user=${PK_USERNAME:-} password=${PK_PASSWORD:-}
  if [ -z "$registry" ]; then
    if [ -n "$password" ]; then kit_fail "input password is set without registry: name the host that it is for"; fi
    return 0
  fi
  if [ -z "$password" ] && [ "$registry" = ghcr.io ]; then
    user=${GITHUB_ACTOR:-} password=${PK_TOKEN:-}
  fi
  if [ -z "$password" ]; then
    if [ -n "$user" ]; then kit_fail "input username is set without password (a secret is empty in a fork's pull request)"; fi
    "$kit" login -- "$registry"
    return
  fi
  kit_required username "$user"
  kit_mask "$password"
  printf '%s' "$password" | "$kit" login --username="$user" --password-stdin -- "$registry"
}

kit_mask() { # SECRET: have the runner hide each of its lines
  local line
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line//'%'/%25} line=${line//$'\r'/%0D}
    if [ -n "$line" ]; then printf '::add-mask::%s\n' "$line"; fi
  done <<< "$1"
}
