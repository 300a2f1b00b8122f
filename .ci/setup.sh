# SPDX-License-Identifier: MIT
# The packages this project needs, and how to get them. To be sourced; defines functions only.
#
#     setup_need [--no-install] GROUP...     groups: build tests bench clang checks cross
#
# Needs nothing but bash. Every entry is probed by what it is needed for rather than by its package,
# so that a tool from elsewhere counts as well; apt is asked only for what is missing.

setup_say() { printf '%s\n' "$*" >&2; }

# --- probes -----------------------------------------------------------------------------------

setup_has_command() { command -v "$1" >/dev/null 2>&1; }

setup_has_cmake() {
    local version
    version=$(cmake --version 2>/dev/null | sed -n 's/^cmake version //p')
    [ -n "$version" ] && printf '3.25\n%s\n' "$version" | sort -V -C
}

setup_has_header() { printf '#include <%s>\n' "$2" | "$1" -E - >/dev/null 2>&1; }
setup_has_cxx_header() { printf '#include <%s>\n' "$1" | g++ -x c++ -E - >/dev/null 2>&1; }
setup_has_archive() { case $(gcc -print-file-name="$1" 2>/dev/null) in /*) ;; *) false ;; esac; }

# Whether clang can link a program with ThreadSanitizer: its run time is a package of its own.
setup_has_clang_tsan() {
    local program result
    setup_has_command clang && setup_has_command clang++ || return 1
    program=$(mktemp) || return 1
    printf 'int main(void) { return 0; }\n' |
        clang -fsanitize=thread -x c - -o "$program" >/dev/null 2>&1
    result=$?
    rm -f "$program"
    return $result
}

# The package of that run time: the clang that is there, or the one that apt will bring.
setup_clang_tsan_package() {
    local version
    version=$(clang -dumpversion 2>/dev/null)
    printf 'libclang-rt-%sdev' "${version:+${version%%.*}-}"
}

# --- the table --------------------------------------------------------------------------------

# Calls setup_entry PACKAGE WHY PROBE... for each entry of a group.
setup_group() {
    case $1 in
    build)
        setup_entry gcc "the C compiler" setup_has_command gcc
        setup_entry libc6-dev "the C library's headers" setup_has_header gcc stdio.h
        setup_entry cmake "configures the build, 3.25 or newer" setup_has_cmake
        setup_entry ninja-build "runs the build" setup_has_command ninja
        setup_entry pkg-config "finds liburing" setup_has_command pkg-config
        setup_entry liburing-dev "io_uring, 2.3 or newer" \
            pkg-config --atleast-version=2.3 liburing
        setup_entry libboost-context-dev "the context switch, libboost_context.a" \
            setup_has_archive libboost_context.a
        ;;
    tests)
        setup_entry g++ "compiles the tests" setup_has_command g++
        setup_entry libgtest-dev "GoogleTest" setup_has_cxx_header gtest/gtest.h
        setup_entry binutils "nm, for the test of libcoil.a's symbols" setup_has_command nm
        setup_entry strace "counts the system calls of an operation" setup_has_command strace
        setup_entry netcat-openbsd "nc, the client in the tests of the examples" \
            setup_has_command nc
        setup_entry valgrind "checks that it understands our stacks" setup_has_command valgrind
        ;;
    bench)
        setup_entry valgrind "callgrind, which counts instructions" setup_has_command valgrind
        ;;
    clang)
        setup_entry clang "the second compiler" setup_has_command clang
        setup_entry "$(setup_clang_tsan_package)" "the sanitizers for clang" setup_has_clang_tsan
        setup_entry llvm "llvm-symbolizer, names in the sanitizers' reports" \
            setup_has_command llvm-symbolizer
        ;;
    checks)
        setup_entry clang-format "checks the layout of the code" setup_has_command clang-format
        setup_entry clang-tidy "looks for bugs in the code" setup_has_command clang-tidy
        setup_entry cppcheck "looks for other bugs in the code" setup_has_command cppcheck
        ;;
    cross)
        setup_entry gcc-aarch64-linux-gnu "the compiler for the other architecture" \
            setup_has_command aarch64-linux-gnu-gcc
        setup_entry libc6-dev-arm64-cross "its C library's headers" \
            setup_has_header aarch64-linux-gnu-gcc stdio.h
        ;;
    *)
        setup_say "setup_need: there is no group '$1'"
        return 2
        ;;
    esac
}

setup_entry() {
    local package=$1 why=$2
    shift 2
    "$@" >/dev/null 2>&1 && return 0
    case " ${setup_missing[*]} " in *" $package "*) return 0 ;; esac
    setup_missing+=("$package")
    setup_reasons+=("$(printf '  %-22s %s' "$package" "$why")")
}

setup_probe() {
    local group
    setup_missing=()
    setup_reasons=()
    for group in "$@"; do
        setup_group "$group" || return
    done
}

# --- installation -----------------------------------------------------------------------------

# Runs a command that only root may run.
setup_as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        env DEBIAN_FRONTEND=noninteractive "$@"
    else
        sudo env DEBIAN_FRONTEND=noninteractive "$@"
    fi
}

# Never asks, and waits for another apt: a fresh Ubuntu upgrades itself in the background.
setup_apt() { setup_as_root apt-get -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2; }

setup_apt_install() { setup_apt install -y --no-install-recommends "$@"; }

# Package lists may be absent (a fresh container) or too old to fetch from.
setup_install() {
    if ! ls /var/lib/apt/lists/*_Packages* >/dev/null 2>&1; then
        setup_apt update
        setup_apt_install "$@"
    else
        setup_apt_install "$@" || { setup_apt update && setup_apt_install "$@"; }
    fi
}

# Makes sure that everything the groups need is there, installing it unless told not to.
# Returns non-zero, having said on stderr what is missing, when it is not.
setup_need() {
    local install=yes
    if [ "$1" = --no-install ]; then
        install=no
        shift
    fi
    setup_probe "$@" || return
    [ ${#setup_missing[@]} -eq 0 ] && return 0

    local command="apt-get install -y --no-install-recommends ${setup_missing[*]}"
    [ "$(id -u)" -eq 0 ] || command="sudo $command"

    setup_say "Missing packages:"
    setup_say "$(printf '%s\n' "${setup_reasons[@]}")"
    if [ $install = no ]; then
        setup_say "Not installing them, as told. Run: $command"
        return 1
    elif ! setup_has_command apt-get; then
        setup_say "There is no apt-get here: please install these by hand."
        return 1
    elif [ "$(id -u)" -ne 0 ] && ! setup_has_command sudo; then
        setup_say "Neither root nor sudo here. Run as root: ${command#sudo }"
        return 1
    fi

    setup_say "Installing them: $command"
    setup_install "${setup_missing[@]}"
    setup_probe "$@"
    [ ${#setup_missing[@]} -eq 0 ] && return 0
    setup_say "Still missing after the installation: ${setup_missing[*]}"
    return 1
}
