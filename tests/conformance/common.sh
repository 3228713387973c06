# shellcheck shell=bash
# common.sh -- sourced by every suite script in this folder.
#
#   EMU='target/release/emu arm' SUITE ARCH     run a suite under any command that takes a guest ELF and its arguments
#   EMU=native                                  (x86_64, i386) no emulator: the reference
#   EMU unset                                   apt's qemu-user for ARCH
# Other environment:
#   CONF    cache and results, default ${EMU_TEST_CACHE:-target/guests}/conformance (everything there can be deleted)
#   JOBS    parallel tests, default 2        TMO  seconds a test, suite-specific default
#   LIMIT   run only the first N tests       ONLY run only tests matching this regex
#   TAG     name for the result files, default: the basename of EMU's words joined by '_'
# Output: the last line is   SUITE ARCH pass N fail M skip K time Ss
# Files:  $CONF/results/SUITE-ARCH-TAG.{pass,fail,skip,tsv,log}
set -u
LIB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
CONF=${CONF:-${EMU_TEST_CACHE:-$LIB/../../target/guests}/conformance}; JOBS=${JOBS:-2}
PY=${PY:-/usr/bin/python3}; [ -x "$PY" ] || PY=$(command -v python3)
mkdir -p "$CONF"/{src,build,results,roots,bin}; CONF=$(cd "$CONF" && pwd)

die() { echo "$*" >&2; exit 2; }

arch_setup() {                       # ARCH -> TRIPLE DEBARCH QEMU CCPKG
  ARCH=$1
  case $ARCH in
    arm)     TRIPLE=arm-linux-gnueabihf;     DEBARCH=armhf   QEMU=qemu-arm     LIBCX=armhf;;
    armel)   TRIPLE=arm-linux-gnueabi;       DEBARCH=armel   QEMU=qemu-arm     LIBCX=armel;;
    *) die "unknown arch $ARCH";;
  esac
  SYSROOT=/usr/$TRIPLE; [ "$ARCH" = x86_64 ] && SYSROOT=/
  CC=$TRIPLE-gcc; command -v "$CC" >/dev/null || CC=$TRIPLE-gcc-12
  EMU=${EMU:-$QEMU}; [ "$EMU" = native ] && EMU=
  # resolve a relative emulator path now: tests run elsewhere
  if [ -n "$EMU" ]; then set -- $EMU; local e; e=$(command -v "$1") || die "no emulator $1"
    EMU="$(realpath -s "$e")${EMU#"$1"}"; fi
  TAG=${TAG:-$(t=; for w in ${EMU:-native}; do t="${t:+${t}_}$(basename -- "$w")"; done; echo "$t")}
}

need_pkg() {                         # install Debian packages if a command or file is missing
  local what=$1; shift
  command -v "$what" >/dev/null 2>&1 || [ -e "$what" ] && return 0
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@" \
    >>"$CONF/apt-install.log" 2>&1 || { apt-get update >>"$CONF/apt-install.log" 2>&1
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@" \
    >>"$CONF/apt-install.log" 2>&1; } || die "cannot install $* (see $CONF/apt-install.log)"
}

need_cc() {                          # a cross compiler for ARCH
  [ "$ARCH" = x86_64 ] && return 0
  local p=gcc-${TRIPLE//_/-}
  need_pkg "$CC" "$p" "libc6-dev-$LIBCX-cross"
  CC=$TRIPLE-gcc; command -v "$CC" >/dev/null || CC=$TRIPLE-gcc-12
}

mirror() {                           # the first archive that this machine's own apt sources name
  awk '/^[ \t]*#/{next} $1=="URIs:"{print $2; exit} $1=="deb"{for(i=2;i<=NF;i++) if($i ~ /^[a-z+]+:\/\//){print $i; exit}}' \
    $(for f in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/*.sources /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do [ -f "$f" ] && echo "$f"; done)
}

src_apt() {                          # private apt configuration with deb-src; prints nothing
  local d=$CONF/apt; export_conf=$d/apt.conf
  if [ ! -e "$d/ok" ]; then
    mkdir -p "$d"/{lists/partial,cache/archives/partial,etc}
    local s; s=$(. /etc/os-release; echo "${VERSION_CODENAME:-bookworm}")
    printf 'deb-src %s %s main\ndeb-src %s %s-updates main\n' "$(mirror)" "$s" "$(mirror)" "$s" >"$d/etc/sources.list"
    cat >"$d/apt.conf" <<C
Dir::Etc::sourcelist "$d/etc/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$d/lists";
Dir::Cache "$d/cache";
APT::Sandbox::User "root";
C
    APT_CONFIG=$d/apt.conf apt-get update >"$d/log" 2>&1 && touch "$d/ok" || die "apt-get update failed: $d/log"
  fi
}

get_source() {                       # PACKAGE -> downloads the source files into $CONF/src
  src_apt
  (cd "$CONF/src" && APT_CONFIG=$CONF/apt/apt.conf apt-get source --download-only "$1" >>"$CONF/apt/log" 2>&1) \
    || die "apt-get source $1 failed: $CONF/apt/log"
}

gcc_src() {                          # GCC's run-time test programs from the Debian source package
  GSRC=$CONF/src/gcc
  [ -e "$GSRC/.ok" ] && return 0
  get_source gcc-12; mkdir -p "$GSRC"
  tar xzOf "$(ls "$CONF"/src/gcc-12_*.orig.tar.gz | tail -1)" --wildcards '*-dfsg.tar.xz' |
    tar xJ -C "$GSRC" --strip-components=1 --wildcards '*/gcc/testsuite' || die "unpack gcc-12"
  touch "$GSRC/.ok"
}

# run_list SUITE LIST: LIST has lines  name<TAB>command  (the command has {EMU} where the emulator goes)
run_list() {
  local suite=$1 list=$2
  "$PY" "$LIB/runner.py" --suite "$suite" --arch "$ARCH" --emu "$EMU" --list "$list" --jobs "$JOBS" \
    --tmo "${TMO:-20}" --out "$CONF/results/$suite-$ARCH-$TAG" ${LIMIT:+--limit "$LIMIT"} ${ONLY:+--only "$ONLY"}
}
