#!/usr/bin/env python3
"""Checks that the fault loops' seam is whole: every function of the C library that the library calls is made to fail by src/sys/faults.c,
or is listed here with the reason why it is not.

    seam.py LIBRARY     the library built with the feature `fault-injection`
"""

from __future__ import annotations

import re
import subprocess
import sys

# Reason, and the functions it holds for.
LEFT_OUT = {
    "cannot fail": """
        __errno_location __libc_current_sigrtmax __libc_current_sigrtmin gai_strerror hstrerror isatty pthread_equal bcmp memcmp memcpy memmove memset strlen getpid gettid gettimeofday clock_gettime
        pthread_self pthread_getspecific sched_yield sysconf getauxval getenv environ free munmap abort _exit exit
        sigaddset sigdelset sigemptyset sigfillset sigismember""",
    "fails for wrong arguments only, and ours are right": """
        fcntl fstat fstat64 getsockopt getsockname getpeername pthread_attr_destroy pthread_attr_getguardsize pthread_attr_getstack
        pthread_attr_setdetachstate pthread_attr_setstacksize pthread_detach pthread_join pthread_key_delete pthread_setname_np
        pthread_setcancelstate pthread_setspecific pthread_sigmask prctl inet_ntop kill pthread_getcpuclockid sigaction sigpending dl_iterate_phdr dladdr freeaddrinfo""",
    "once, when the library is loaded: before a test can arm anything (the first call of a thread reports what failed)": """
        __register_atfork pthread_key_create""",
    "ends a wait early or late, as time does": "clock_nanosleep nanosleep sigtimedwait pause",
    "called by the standard library, the dependencies and the seam itself only": """
        __cxa_finalize __cxa_thread_atexit_impl __gmon_start__ __tls_get_addr __xpg_strerror_r _ITM_deregisterTMCloneTable
        _ITM_registerTMCloneTable closedir dirfd dlsym getcwd getrandom mmap64 opendir pipe2 posix_spawn readdir64 readlink realpath stat64 statx
        writev open64 fprintf stderr pthread_mutex_lock pthread_mutex_unlock""",
    "called for Python's patched resolvers only, whose tests are in Python": "gethostbyaddr_r gethostbyname_r",
    "called for Python's part of a dump only, on a file in memory": "ftruncate lseek pread",
    "sends a signal that there is to the calling thread": "raise",
    "write into a struct of ours": """
        posix_spawn_file_actions_destroy posix_spawnattr_destroy posix_spawnattr_setflags posix_spawnattr_setpgroup
        posix_spawnattr_setsigdefault posix_spawnattr_setsigmask""",
    "the unwinder of the compiler": """
        _Unwind_Backtrace _Unwind_DeleteException _Unwind_GetDataRelBase _Unwind_GetIP _Unwind_GetIPInfo
        _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart _Unwind_GetTextRelBase _Unwind_RaiseException _Unwind_Resume
        _Unwind_SetGR _Unwind_SetIP""",
}


def names(*command: str) -> set[str]:
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {re.sub("@.*", "", line.split()[-1]) for line in out.splitlines() if line.strip()}


def main() -> int:
    library = sys.argv[1]
    called = names("nm", "-D", "--undefined-only", library)
    wrapped = {n.removeprefix("__wrap_") for n in names("nm", "--defined-only", library) if n.startswith("__wrap_")}
    left_out = set(" ".join(LEFT_OUT.values()).split())
    unknown = sorted(called - wrapped - left_out)
    for name in unknown:
        print(f"{name}: neither made to fail in src/sys/faults.c nor listed in c-tests/faults/seam.py")
    if not unknown:
        print(f"# {len(wrapped)} functions of the C library are made to fail, {len(called & left_out)} left out for a reason")
    return 1 if unknown or len(wrapped) < 40 else 0


if __name__ == "__main__":
    sys.exit(main())
