#!/bin/sh
# Proves that a tool is in: what it must report is reported, and a clean run is not.
#
# Usage: prove.sh TOOL PROGRAM [WRAPPER...]     TOOL: asan, ubsan, tsan, valgrind; PROGRAM: c-tests/tools/seeded.c, built for it
tool=$1 program=$2
shift 2
failed=0
out=$(mktemp) || exit 1
trap 'rm -f "$out"' EXIT

# expect FAULT WORDS WRAPPER...: the run must end badly and say the words; a clean one must not.
expect() {
    fault=$1 words=$2
    shift 2
    timeout 120 "$@" "$program" "$fault" >"$out" 2>&1 </dev/null
    status=$?
    if [ "$fault" = clean ]; then
        [ "$status" -eq 0 ] && ! grep -q 'ERROR\|WARNING\|runtime error' "$out" && echo "# $tool: a clean run is clean" && return
    else
        [ "$status" -ne 0 ] && grep -q "$words" "$out" && echo "# $tool: caught $fault" && return
    fi
    echo "# $tool: $fault: status $status, expected: $words"
    sed 's/^/#   /' "$out" | head -n 40
    failed=1
}

# symbol RUNTIME CALL: the tool's runtime is in the program, and the library's own code calls it.
symbol() {
    library=$(ldd "$program" | sed -n 's/.*libgreenrt[^ ]* => \([^ ]*\).*/\1/p')
    nm "$program" 2>/dev/null | grep -q "$1" || { echo "# $tool: no $1 in $program" && failed=1; }
    [ -z "$2" ] || nm -D --undefined-only "$library" | grep -q "$2" || { echo "# $tool: no $2 in $library" && failed=1; }
}

case $tool in
asan)
    symbol __asan_init __asan_report_load
    expect clean "" "$@"
    expect use-after-return 'stack-use-after-return' "$@"
    # With the locals on the stack itself, not in a fake frame of the tool's.
    expect use-after-end 'use-after-poison' env ASAN_OPTIONS="$ASAN_OPTIONS:detect_stack_use_after_return=0" "$@"
    expect heap-overflow 'heap-buffer-overflow' "$@"
    expect leak 'LeakSanitizer: detected memory leaks' "$@"
    ;;
ubsan)
    symbol __ubsan_handle
    # Rust's own checks, in the library that the program runs with.
    grep -q 'unsafe precondition' "$library" || { echo "# $tool: no checks in $library" && failed=1; }
    expect clean "" "$@"
    expect overflow 'signed integer overflow' "$@"
    ;;
tsan)
    symbol __tsan_init __tsan_func_entry
    expect clean "" "$@"
    expect race 'data race' "$@"
    ;;
valgrind)
    expect clean "" "$@"
    expect use-after-end 'Invalid read' "$@"
    expect heap-overflow 'Invalid write' "$@"
    expect uninitialised 'uninitialised' "$@"
    ;;
*)
    echo "no such tool: $tool" >&2
    exit 2
    ;;
esac
exit $failed
