"""Sets of system calls by name, for filters; knows no kernel and no library.

The names of the sets are those that systemd has made known, and mean the same. A set has the calls of every
architecture, under all names that they had in time.
"""

from __future__ import annotations

from collections.abc import Iterable

_CALLS: dict[str, str] = {
    # What every program calls before its first line and after its last, and by which ours becomes it.
    "@default": """
        execve exit exit_group brk mmap mmap2 munmap mprotect arch_prctl set_thread_area get_thread_area set_tls
        set_tid_address set_robust_list get_robust_list rseq futex futex_time64 futex_waitv membarrier cacheflush
        riscv_flush_icache riscv_hwprobe rt_sigreturn sigreturn restart_syscall pause getrandom
        getpid getppid gettid getpgid getpgrp getsid getuid geteuid getgid getegid getresuid getresgid getgroups
        getuid32 geteuid32 getgid32 getegid32 getresuid32 getresgid32 getgroups32 getrlimit ugetrlimit prlimit64
        sched_yield sched_getaffinity time gettimeofday clock_gettime clock_gettime64 clock_getres clock_getres_time64
        nanosleep clock_nanosleep clock_nanosleep_time64 uretprobe""",
    "@aio": """
        io_setup io_destroy io_submit io_cancel io_getevents io_pgetevents io_pgetevents_time64 io_uring_setup
        io_uring_enter io_uring_register""",
    "@basic-io": """
        read write readv writev pread64 pwrite64 preadv pwritev preadv2 pwritev2 lseek _llseek close close_range dup
        dup2 dup3""",
    "@chown": "chown chown32 fchown fchown32 lchown lchown32 fchownat",
    "@clock": "adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime",
    "@cpu-emulation": "modify_ldt subpage_prot switch_endian vm86 vm86old",
    "@debug": "lookup_dcookie perf_event_open pidfd_getfd ptrace rtas s390_runtime_instr sys_debug_setcontext",
    "@file-system": """
        open openat openat2 creat close access faccessat faccessat2 stat stat64 fstat fstat64 lstat lstat64 fstatat64
        newfstatat statx statfs statfs64 fstatfs fstatfs64 oldstat oldfstat oldlstat getcwd chdir fchdir chmod fchmod
        fchmodat fchmodat2 mkdir mkdirat mknod mknodat rmdir link linkat unlink unlinkat symlink symlinkat readlink
        readlinkat rename renameat renameat2 truncate truncate64 ftruncate ftruncate64 fallocate getdents getdents64
        fcntl fcntl64 utime utimes utimensat utimensat_time64 futimesat inotify_init inotify_init1 inotify_add_watch
        inotify_rm_watch getxattr getxattrat lgetxattr fgetxattr setxattr setxattrat lsetxattr fsetxattr listxattr
        listxattrat llistxattr flistxattr removexattr removexattrat lremovexattr fremovexattr""",
    "@io-event": """
        poll ppoll ppoll_time64 select _newselect pselect6 pselect6_time64 epoll_create epoll_create1 epoll_ctl
        epoll_ctl_old epoll_wait epoll_wait_old epoll_pwait epoll_pwait2 eventfd eventfd2""",
    "@ipc": """
        ipc memfd_create mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
        mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 process_madvise process_vm_readv
        process_vm_writev semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget""",
    "@keyring": "add_key keyctl request_key",
    "@memlock": "mlock mlock2 mlockall munlock munlockall",
    "@module": "delete_module finit_module init_module",
    "@mount": """
        chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree open_tree_attr pivot_root umount
        umount2""",
    "@network-io": """
        socket socketpair socketcall bind listen accept accept4 connect shutdown getsockname getpeername getsockopt
        setsockopt send sendto sendmsg sendmmsg recv recvfrom recvmsg recvmmsg recvmmsg_time64""",
    "@obsolete": """
        _sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx prof profil
        putpmsg query_module security sgetmask ssetmask stime stty sysfs tuxcall ulimit uselib ustat vserver""",
    "@pkey": "pkey_alloc pkey_free pkey_mprotect",
    "@process": """
        clone clone3 fork vfork execveat kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_open
        pidfd_send_signal prctl setns unshare swapcontext getrusage times wait4 waitid waitpid""",
    "@raw-io": "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write s390_pci_mmio_read s390_pci_mmio_write",
    "@reboot": "kexec_file_load kexec_load reboot",
    "@resources": """
        ioprio_set mbind migrate_pages move_pages nice sched_setaffinity sched_setattr sched_setparam sched_setscheduler
        set_mempolicy set_mempolicy_home_node setpriority setrlimit""",
    "@sandbox": "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp",
    "@setuid": """
        setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid
        setreuid32 setuid setuid32""",
    "@signal": """
        rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaction
        sigaltstack signal signalfd signalfd4 sigpending sigprocmask sigsuspend""",
    "@swap": "swapoff swapon",
    "@sync": "fdatasync fsync msync sync sync_file_range sync_file_range2 syncfs",
    "@timer": """
        alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
        timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
        timerfd_settime64""",
    "@privileged": """
        @chown @clock @module @raw-io @reboot @swap acct bpf capset chroot fanotify_init fanotify_mark nfsservctl
        open_by_handle_at pivot_root quotactl quotactl_fd setdomainname setfsuid setfsuid32 setgroups setgroups32
        sethostname setresuid setresuid32 setreuid setreuid32 setuid setuid32 vhangup _sysctl""",
    "@system-service": """
        @default @aio @basic-io @chown @file-system @io-event @ipc @keyring @memlock @network-io @process
        @resources @setuid @signal @sync @timer arm_fadvise64_64 cachestat capget capset copy_file_range
        fadvise64 fadvise64_64 flock get_mempolicy getcpu getpriority ioctl ioprio_get kcmp madvise mremap mseal
        name_to_handle_at olduname oldolduname personality readahead readdir remap_file_pages
        sched_get_priority_max sched_get_priority_min sched_getattr sched_getparam sched_getscheduler
        sched_rr_get_interval sched_rr_get_interval_time64 sendfile sendfile64 setfsgid setfsgid32 setfsuid
        setfsuid32 setpgid setsid splice sysinfo tee umask uname userfaultfd vmsplice""",
}

SETS = tuple(_CALLS)
"""The names of the sets."""

KNOWN = frozenset(word for calls in _CALLS.values() for word in calls.split() if not word.startswith("@"))
"""Every call that is in a set: an aid for those who misspell one, not all that there are."""

ALWAYS = "@default"
"""What no filter refuses: without it a program could not even begin."""


def calls(words: Iterable[str]) -> list[str]:
    """Return the system calls of words, which are names of sets and of calls; each once, in order."""
    found: dict[str, None] = {}
    for word in words:
        if word in _CALLS:
            found |= dict.fromkeys(calls(_CALLS[word].split()))
        else:
            found[word] = None
    return list(found)
