# SPDX-License-Identifier: GPL-2.0-or-later
"""The system calls of x86_64: one line each, from the kernel's SYSCALL_DEFINE prototypes.

    ALIAS[=NAME] FUNCTION[,RETURN] | VARIABLE:KIND ... | extra = expression; argstr = expression

ALIAS is syscall.ALIAS, NAME the value of `name` if it differs, FUNCTION what follows __x64_sys_.
RETURN is the format of returnstr(): 1 decimal (default), 2 hexadecimal, 3 octal.
VARIABLEs are the arguments in order; `-` skips one, a `!` behind a KIND keeps it out of argstr.

KINDs: d int, u unsigned int, l long, U unsigned long, x X the same (64, 32 bits) in hexadecimal,
p pointer, o mode, dfd directory descriptor (+ _str), s quoted path (+ _unquoted), S address
(+ _str, _str_unquoted), NAME(FUNCTION) decoder of an int and NAME64(FUNCTION) of 64 bits (+ _str).
VARIABLE/TEXT names the text's variable.
"""

GROUPS = {}

GROUPS["files"] = ("Files and directories: by descriptor and by path.", r"""
read read | fd:d buf_uaddr:p count:U
write write | fd:d buf_uaddr:p count:U | buf_str = _sys_buffer_str(buf_uaddr, count); argstr = sprintf("%d, %s, %u", fd, buf_str, count)
pread pread64 | fd:d buf_uaddr:p count:U offset:l
pwrite pwrite64 | fd:d buf_uaddr:p count:U offset:l | buf_str = _sys_buffer_str(buf_uaddr, count); argstr = sprintf("%d, %s, %u, %d", fd, buf_str, count, offset)
readv readv | fd:d vector_uaddr:p count:U
writev writev | fd:d vector_uaddr:p count:U
preadv preadv | fd:d vector_uaddr:p count:U offset:l
pwritev pwritev | fd:d vector_uaddr:p count:U offset:l
preadv2 preadv2 | fd:d vector_uaddr:p count:U offset:l -:d flags:int(_sys_rwf_flag_str)
pwritev2 pwritev2 | fd:d vector_uaddr:p count:U offset:l -:d flags:int(_sys_rwf_flag_str)
open open | filename:s1 flags:int(_sys_open_flag_str) mode:o | argstr = _sys_has_mode(flags) ? sprintf("%s, %s, %#o", filename, flags_str, mode) : sprintf("%s, %s", filename, flags_str)
openat openat | dfd:dfd filename:s flags:int(_sys_open_flag_str) mode:o | argstr = _sys_has_mode(flags) ? sprintf("%s, %s, %s, %#o", dfd_str, filename, flags_str, mode) : sprintf("%s, %s, %s", dfd_str, filename, flags_str)
openat2 openat2 | dfd:dfd filename:s how_uaddr/how_str:int64(_sys_open_how_str) size:U
creat creat | pathname:s mode:o
close close | fd:d
close_range close_range | fd:u max_fd:u flags:int(_sys_close_range_flag_str)
dup dup | oldfd:d
dup2 dup2 | oldfd:d newfd:d | flags = 0; flags_str = "0x0"
dup3 dup3 | oldfd:d newfd:d flags:int(_sys_open_only_flag_str)
lseek lseek | fildes:d offset:l whence:int(_sys_seek_whence_str)
llseek llseek | fd:d offset_high:u offset_low:u result_uaddr:p whence:int(_sys_seek_whence_str)
truncate truncate | path_uaddr/path:su length:l
ftruncate ftruncate | fd:d length:l
fallocate fallocate | fd:d mode:int(_sys_fallocate_mode_str) offset:l len:l
fadvise64 fadvise64 | fd:d offset:l len:U advice:int(_sys_fadvise_str)
fadvise64_64 fadvise64_64 | fd:d offset:l len:l advice:int(_sys_fadvise_str)
readahead readahead | fd:d offset:l count:U
copy_file_range copy_file_range | fd_in:d off_in:p fd_out:d off_out:p len:U flags:X
sendfile sendfile64 | out_fd:d in_fd:d offset_uaddr:p count:U
splice splice | fd_in:d off_in:p fd_out:d off_out:p len:U flags:int(_sys_splice_flag_str)
tee tee | fdin:d fdout:d len:U flags:X | argstr = sprintf("%d, %d, %u, %s", fdin, fdout, len, _sys_splice_flag_str(flags))
vmsplice vmsplice | fd:d iov:p nr_segs:U flags:int(_sys_splice_flag_str)
fsync fsync | fd:d
fdatasync fdatasync | fd:d
sync sync |
syncfs syncfs | fd:d
sync_file_range sync_file_range | fd:d offset:l nbytes:l flags:int(_sys_sync_file_range_str)
fcntl fcntl | fd:d cmd:int(_sys_fcntl_cmd_str) arg:x
flock flock | fd:d operation:d | argstr = sprintf("%d, %s", fd, _sys_flock_str(operation))
ioctl ioctl | fd:d request:u argp:p
access access | pathname:s mode:int(_sys_access_mode_str)
faccessat faccessat | dirfd:dfd pathname:s mode:int(_sys_access_mode_str)
faccessat2 faccessat2 | dirfd:dfd pathname:s mode:int(_sys_access_mode_str) flags:int(_sys_at_flag_str)
chdir chdir | path:s
fchdir fchdir | fd:d
chroot chroot | path:s
pivot_root pivot_root | new_root_str:s old_root_str:s
getcwd getcwd | buf_uaddr:p size:U
mkdir mkdir | pathname_uaddr/pathname:su mode:o
mkdirat mkdirat | dirfd:dfd pathname:s mode:o
rmdir rmdir | pathname:s
mknod mknod | pathname:s mode:mode(_sys_mknod_mode_str) dev:u
mknodat mknodat | dirfd:dfd pathname:s mode:mode(_sys_mknod_mode_str) dev:u
link link | oldpath:s newpath:s
linkat linkat | olddirfd:dfd oldpath:s newdirfd:dfd newpath:s flags:int(_sys_at_flag_str)
symlink symlink | oldpath:s newpath:s1
symlinkat symlinkat | oldname:S newdfd:dfd newname:S
readlink readlink | path:s buf_uaddr:p bufsiz:d
readlinkat readlinkat | dfd:dfd path:s buf_uaddr:p bufsiz:d
unlink unlink | pathname_uaddr/pathname:su
unlinkat unlinkat | dfd:dfd pathname:S flag:int(_sys_unlinkat_flag_str)
rename rename | oldpath:s newpath:s
renameat renameat | olddfd:dfd oldname:S newdfd:dfd newname:S
renameat2 renameat2 | olddfd:dfd oldname:S newdfd:dfd newname:S flags:int(_sys_renameat2_flag_str)
chmod chmod | path:s mode:o
fchmod fchmod | fildes:d mode:o
fchmodat fchmodat | dirfd:dfd pathname:s mode:o
fchmodat2 fchmodat2 | dirfd:dfd pathname:s mode:o flags:int(_sys_at_flag_str)
chown chown | path:s owner:d group:d
fchown fchown | fd:d owner:d group:d
lchown lchown | path:s owner:d group:d
fchownat fchownat | dirfd:dfd pathname:s owner:d group:d flags:int(_sys_at_flag_str)
umask umask,3 | mask:O
utime utime | filename_uaddr/filename:su buf_uaddr:p | actime = _sys_utime_actime(buf_uaddr); modtime = _sys_utime_modtime(buf_uaddr); argstr = sprintf("%s, [%d, %d]", filename, actime, modtime)
utimes utimes | filename_uaddr/filename:su tvp_uaddr/tvp_uaddr_str:int64(_sys_timevals_str)
futimesat futimesat | dirfd:dfd filename_uaddr/filename:su tvp_uaddr/tvp_str:int64(_sys_timevals_str)
utimensat utimensat | dfd:dfd filename_uaddr/filename:su tsp_uaddr/tsp_str:int64(_sys_utimens_str) flags:int(_sys_at_flag_str)
stat newstat | filename_uaddr/filename:su buf_uaddr:p
stat stat | filename_uaddr/filename:su buf_uaddr:p
lstat newlstat | path:s buf_uaddr:p
lstat lstat | path:s buf_uaddr:p
fstat newfstat | filedes:d buf_uaddr:p
fstat fstat | filedes:d buf_uaddr:p
fstatat newfstatat | dirfd:dfd path:s buf_uaddr:p flags:int(_sys_at_flag_str)
statx statx | dfd:dfd filename_uaddr/filename:su flags:int(_sys_statx_flag_str) mask:int(_sys_statx_mask_str) buf_uaddr:p
statfs statfs | path:s buf_uaddr:p
statfs64 statfs64 | path:s sz:U buf_uaddr:p
fstatfs fstatfs | fd:d buf_uaddr:p
fstatfs64 fstatfs64 | fd:d sz:U buf_uaddr:p
statmount statmount | req_uaddr:p buf_uaddr:p bufsize:U flags:X
listmount listmount | req_uaddr:p mnt_ids_uaddr:p nr_mnt_ids:U flags:X
cachestat cachestat | fd:d cstat_range_uaddr:p cstat_uaddr:p flags:X
ustat ustat | dev:u ubuf_uaddr:p
getdents getdents | fd:d dirp_uaddr:p count:u
getdents=getdents64 getdents64 | fd:d dirp_uaddr:p count:u
readdir old_readdir | fd:d dirent:p count:u
getxattr getxattr | path:s name_str:s value_uaddr:p size:U
lgetxattr lgetxattr | path:s name_str:s value_uaddr:p size:U
fgetxattr fgetxattr | filedes:d name_str:s value_uaddr:p size:U
getxattrat getxattrat | dfd:dfd path:s at_flags:int(_sys_at_flag_str) name_str:s args_uaddr:p size:U
setxattr setxattr | path_uaddr/path:su name_uaddr/name_str:su value_uaddr:p size:U flags:int(_sys_xattr_flag_str) | value_str = _sys_buffer_str(value_uaddr, size); argstr = sprintf("%s, %s, %s, %u, %s", path, name_str, value_str, size, flags_str)
lsetxattr lsetxattr | path_uaddr/path:su name_uaddr/name_str:su value_uaddr:p size:U flags:int(_sys_xattr_flag_str) | value_str = _sys_buffer_str(value_uaddr, size); argstr = sprintf("%s, %s, %s, %u, %s", path, name_str, value_str, size, flags_str)
fsetxattr fsetxattr | filedes:d name_uaddr/name_str:su value_uaddr:p size:U flags:int(_sys_xattr_flag_str) | value_str = _sys_buffer_str(value_uaddr, size); argstr = sprintf("%d, %s, %s, %u, %s", filedes, name_str, value_str, size, flags_str)
setxattrat setxattrat | dfd:dfd path:s at_flags:int(_sys_at_flag_str) name_str:s args_uaddr:p size:U
listxattr listxattr | path_uaddr/path:su list_uaddr:p size:U
llistxattr llistxattr | path_uaddr/path:su list_uaddr:p size:U
flistxattr flistxattr | filedes:d list_uaddr:p size:U
listxattrat listxattrat | dfd:dfd path:s at_flags:int(_sys_at_flag_str) list_uaddr:p size:U
removexattr removexattr | path:s name_str:s
lremovexattr lremovexattr | path_uaddr/path:su name_uaddr/name_str:su
fremovexattr fremovexattr | filedes:d name_uaddr/name_str:su
removexattrat removexattrat | dfd:dfd path:s at_flags:int(_sys_at_flag_str) name_str:s
file_getattr file_getattr | dfd:dfd filename:S ufattr:p usize:U at_flags:X | dfd_str_unquoted = dfd_str
file_setattr file_setattr | dfd:dfd filename:S ufattr:p usize:U at_flags:X | dfd_str_unquoted = dfd_str
name_to_handle_at name_to_handle_at | dfd:dfd pathname:s handle_uaddr:p mnt_id_uaddr:p flags:int(_sys_at_flag_str)
open_by_handle_at open_by_handle_at | mount_dfd:dfd handle_uaddr:p flags:int(_sys_open_flag_str)
lookup_dcookie lookup_dcookie | cookie:x buffer_uaddr:p len:U
quotactl quotactl | cmd:int(_sys_quotactl_cmd_str) special/special_str:su id:d addr_uaddr:p
quotactl_fd quotactl_fd | fd:d cmd:int(_sys_quotactl_cmd_str) id:d addr_uaddr:p
mount mount | source:s target:s filesystemtype:s mountflags:int64(_sys_mountflags_str) data:s
umount umount | target:s flags:int(_sys_umountflags_str)
mount_setattr mount_setattr | dfd:dfd path:s flags:int(_sys_at_flag_str) uattr_uaddr:p usize:U
move_mount move_mount | from_dfd:dfd from_pathname:s to_dfd:dfd to_pathname:s flags:int(_sys_move_mount_flag_str)
open_tree open_tree | dfd:dfd filename:s flags:int(_sys_open_tree_flag_str)
open_tree_attr open_tree_attr | dfd:dfd filename:s flags:int(_sys_open_tree_flag_str) uattr_uaddr:p usize:U
fsopen fsopen | fs_name:s flags:X
fsconfig fsconfig | fd:d cmd:int(_sys_fsconfig_cmd_str) key:s value_uaddr:p aux:d
fsmount fsmount | fs_fd:d flags:X attr_flags:X
fspick fspick | dfd:dfd path:s flags:X
swapon swapon | path_uaddr/path:su swapflags:int(_sys_swapon_flag_str)
swapoff swapoff | path_uaddr/path:su
acct acct | filename:s
sysfs sysfs | option:d arg1:x arg2:x
bdflush bdflush | func:d data/data_str:int64(_sys_long_str)
uselib uselib | library_uaddr/library:su
""")

GROUPS["events"] = ("Waiting for descriptors, notifications, asynchronous I/O.", r"""
poll poll | ufds_uaddr:p nfds:u timeout:d
ppoll ppoll | fds_uaddr:p nfds:u tsp/tsp_str:int64(_sys_timespec_str) sigmask:p sigsetsize:U
select select | n:d readfds_uaddr:p writefds_uaddr:p exceptfds_uaddr:p timeout_uaddr/timeout_str:int64(_sys_timeval_str)
pselect6 pselect6 | nfds:d readfds:p writefds:p exceptfds:p timeout/timeout_str:int64(_sys_timespec_str) sigmask:p
epoll_create epoll_create | size:d | flags = 0
epoll_create=epoll_create1 epoll_create1 | flags:X | size = 0; argstr = _sys_epoll_flag_str(flags)
epoll_ctl epoll_ctl | epfd:d op:int(_sys_epoll_ctl_str) fd:d event_uaddr:p
epoll_wait epoll_wait | epfd:d events_uaddr:p maxevents:d timeout:d
epoll_pwait epoll_pwait | epfd:d events_uaddr:p maxevents:d timeout:d sigmask_uaddr:p sigsetsize:U
epoll_pwait2 epoll_pwait2 | epfd:d events_uaddr:p maxevents:d timeout_uaddr/timeout_str:int64(_sys_timespec_str) sigmask_uaddr:p sigsetsize:U
eventfd eventfd | count:u | flags = 0; flags_str = "0x0"
eventfd=eventfd2 eventfd2 | count:u flags:int(_sys_eventfd_flag_str)
inotify_init inotify_init | | flags = 0
inotify_init=inotify_init1 inotify_init1 | flags:X | argstr = _sys_inotify_flag_str(flags)
inotify_add_watch inotify_add_watch | fd:d path_uaddr/path:su mask:int(_sys_inotify_mask_str)
inotify_rm_watch inotify_rm_watch | fd:d wd:d
fanotify_init fanotify_init | flags:int(_sys_fanotify_flag_str) event_f_flags:int(_sys_open_flag_str)
fanotify_mark fanotify_mark | fanotify_fd:d flags:int(_sys_fanotify_mark_str) mask:int64(_sys_fanotify_mask_str) dirfd:dfd pathname:s
io_setup io_setup | maxevents:u ctxp_uaddr:p
io_destroy io_destroy | ctx:x
io_submit io_submit | ctx_id:x nr:l iocbpp_uaddr:p
io_cancel io_cancel | ctx_id:x iocb_uaddr:p result_uaddr:p
io_getevents io_getevents | ctx_id:x min_nr:l nr:l events_uaddr:p timeout_uaddr/timestr:int64(_sys_timespec_str)
io_pgetevents io_pgetevents | ctx_id:x min_nr:l nr:l events_uaddr:p timeout_uaddr/timestr:int64(_sys_timespec_str) usig_uaddr:p
io_uring_setup io_uring_setup | entries:u params_uaddr:p
io_uring_enter io_uring_enter | fd:d to_submit:u min_complete:u flags:int(_sys_io_uring_enter_str) argp_uaddr:p argsz:U
io_uring_register io_uring_register | fd:d opcode:u arg_uaddr:p nr_args:u
userfaultfd userfaultfd | flags:int(_sys_open_only_flag_str)
pipe pipe | fildes_uaddr:p | flags = 0; flag_str = "0x0"; pipe0 = user_int(fildes_uaddr); pipe1 = user_int(fildes_uaddr + 4)
pipe=pipe2 pipe2 | fildes_uaddr:p flags/flag_str:int(_sys_open_only_flag_str) | pipe0 = user_int(fildes_uaddr); pipe1 = user_int(fildes_uaddr + 4)
""")

GROUPS["processes"] = ("Processes: creation, end, identity, scheduling, limits, tracing.", r"""
fork fork |
vfork vfork |
clone clone | clone_flags:x stack_start:p parent_tid_uaddr:p child_tid_uaddr:p - | argstr = sprintf("%s, %p, %p, %p", _sys_clone_flag_str(clone_flags), stack_start, parent_tid_uaddr, child_tid_uaddr)
clone3 clone3 | uargs_uaddr/uargs_str:int64(_sys_clone_args_str) size:U
execve execve | filename:s1 -:p! -:p! | args = _sys_argv_str(__sys_long(2)); env_str = _sys_envp_str(__sys_long(3)); argstr = sprintf("%s, %s, %s", filename, args, env_str)
execveat execveat | dirfd:dfd filename:s1 -:p! -:p! flags:int(_sys_at_flag_str) | args = _sys_argv_str(__sys_long(3)); env_str = _sys_envp_str(__sys_long(4)); argstr = sprintf("%s, %s, %s, %s, %s", dirfd_str, filename, args, env_str, flags_str)
exit exit | status:d
exit_group exit_group | status:d
wait4 wait4 | pid:d status_uaddr:p options:int(_sys_wait4_flag_str) rusage_uaddr:p
waitid waitid | which:int(_sys_waitid_which_str) pid:d infop_uaddr:p options:int(_sys_waitid_flag_str) rusage_uaddr:p
waitpid waitpid | pid:d status_uaddr:p options:int(_sys_wait4_flag_str)
getpid getpid |
getppid getppid |
gettid gettid |
getpgrp getpgrp |
getpgid getpgid | pid:d
setpgid setpgid | pid:d pgid:d
getsid getsid | pid:d
setsid setsid |
getuid getuid |
geteuid geteuid |
getgid getgid |
getegid getegid |
getresuid getresuid | ruid_uaddr:p euid_uaddr:p suid_uaddr:p
getresgid getresgid | rgid_uaddr:p egid_uaddr:p sgid_uaddr:p
setuid setuid | uid:d
setgid setgid | gid:d
setreuid setreuid | ruid:d euid:d
setregid setregid | rgid:d egid:d
setresuid setresuid | ruid:d euid:d suid:d
setresgid setresgid | rgid:d egid:d sgid:d
setfsuid setfsuid | fsuid:d
setfsgid setfsgid | fsgid:d
getgroups getgroups | size:d list_uaddr:p
setgroups setgroups | size:d list_uaddr:p
capget capget | header_uaddr:p data_uaddr:p
capset capset | header_uaddr:p data_uaddr:p
getpriority getpriority | which:d who:d | argstr = sprintf("%s, %d", _sys_priority_which_str(which), who)
setpriority setpriority | which:int(_sys_priority_which_str) who:d prio:d
nice nice | inc:d
ioprio_get ioprio_get | which:int(_sys_ioprio_which_str) who:d
ioprio_set ioprio_set | which:int(_sys_ioprio_which_str) who:d ioprio:int(_sys_ioprio_str)
sched_yield sched_yield |
sched_getparam sched_getparam | pid:d p_uaddr:p
sched_setparam sched_setparam | pid:d p_uaddr:p
sched_getscheduler sched_getscheduler | pid:d
sched_setscheduler sched_setscheduler | pid:d policy:int(_sys_sched_policy_str) p_uaddr:p
sched_getattr sched_getattr | pid:d sched_attr_uaddr/sched_attr_str:int64(_sys_pointer_str) size:u flags:X
sched_setattr sched_setattr | pid:d sched_attr_uaddr/sched_attr_str:int64(_sys_sched_attr_str) flags:X
sched_get_priority_max sched_get_priority_max | policy:int(_sys_sched_policy_str)
sched_get_priority_min sched_get_priority_min | policy:int(_sys_sched_policy_str)
sched_rr_get_interval sched_rr_get_interval | pid:d tp_uaddr:p
sched_getaffinity sched_getaffinity | pid:d len:u mask_uaddr:p
sched_setaffinity sched_setaffinity | pid:d len:u mask_uaddr:p
getcpu getcpu | cpu_uaddr:p node_uaddr:p tcache_uaddr:p
getrlimit getrlimit | resource:d rlim_uaddr:p | argstr = sprintf("%s, %p", _sys_rlimit_resource_str(resource), rlim_uaddr)
setrlimit setrlimit | resource:int(_sys_rlimit_resource_str) rlim_uaddr/rlim_str:int64(_sys_rlimit_str)
prlimit64 prlimit64 | pid:d resource:int(_sys_rlimit_resource_str) new_rlim_uaddr/new_rlim_str:int64(_sys_rlimit_str) old_rlim_uaddr:p
getrusage getrusage | who:int(_sys_rusage_who_str) usage_uaddr:p
times times | buf_uaddr/buf_str:int64(_sys_pointer_str)
prctl prctl | option:d arg2:x arg3:x arg4:x arg5:x | argstr = sprintf("%s, %#x, %#x, %#x, %#x", _sys_prctl_option_str(option), arg2, arg3, arg4, arg5)
arch_prctl arch_prctl | code:int(_sys_arch_prctl_str) addr:x
personality personality,2 | persona:X
ptrace ptrace | request:l pid:l addr:x data:x | argstr = sprintf("%s, %d, %#x, %#x", _sys_ptrace_request_str(request), pid, addr, data)
seccomp seccomp | op:int(_sys_seccomp_op_str) flags:int(_sys_seccomp_flag_str) uargs_uaddr:p
unshare unshare | unshare_flags:int64(_sys_clone_flag_str)
setns setns | fd:d nstype:int(_sys_clone_flag_str)
kcmp kcmp | pid1:d pid2:d type:int(_sys_kcmp_type_str) idx1:U idx2:U
pidfd_open pidfd_open | pid:d flags:int(_sys_open_only_flag_str)
pidfd_getfd pidfd_getfd | pidfd:d fd:d flags:X
set_tid_address set_tid_address | tidptr_uaddr:p
set_robust_list set_robust_list | list_head_uaddr:p len:U
get_robust_list get_robust_list | pid:d list_head_uaddr:p len_uaddr:p
futex futex | futex_uaddr:p op:d val:u utime_uaddr:p uaddr2_uaddr:p val3:u | argstr = _sys_futex_argstr(futex_uaddr, op, val, utime_uaddr, uaddr2_uaddr, val3)
futex_waitv futex_waitv | waiters_uaddr:p nr_futexes:u flags:X timeout_uaddr/timeout_str:int64(_sys_timespec_str) clockid:int(_sys_clock_str)
futex_wait futex_wait | futex_uaddr:p val:U mask:x flags:X timeout_uaddr/timeout_str:int64(_sys_timespec_str) clockid:int(_sys_clock_str)
futex_wake futex_wake | futex_uaddr:p mask:x nr:d flags:X
futex_requeue futex_requeue | waiters_uaddr:p flags:X nr_wake:d nr_requeue:d
rseq rseq | rseq_uaddr:p rseq_len:u flags:X sig:X
rseq_slice_yield rseq_slice_yield |
set_thread_area set_thread_area | u_info_uaddr/u_info_str:int64(_sys_user_desc_str)
get_thread_area get_thread_area | u_info_uaddr/u_info_str:int64(_sys_user_desc_str)
modify_ldt modify_ldt | func:d ptr_uaddr:p bytecount:U
ioperm ioperm | from:U num:U turn_on:d
iopl iopl | level:u
bpf bpf | cmd:int(_sys_bpf_cmd_str) attr_uaddr:p size:u
perf_event_open perf_event_open | attr_uaddr:p pid:d cpu:d group_fd:d flags:int64(_sys_perf_flag_str)
add_key add_key | type_uaddr:q description_uaddr:q payload_uaddr:p plen:U ringid:d | argstr = sprintf("%s, %s, %s, %u, %s", _sys_string_quoted(type_uaddr), _sys_string_quoted(description_uaddr), _sys_buffer_str(payload_uaddr, plen), plen, _sys_keyring_str(ringid))
request_key request_key | type_uaddr/type_str:su description_uaddr/description_str:su callout_info_uaddr:q destringid:d
keyctl keyctl | option:d arg2:x arg3:x arg4:x arg5:x | argstr = sprintf("%s, %#x, %#x, %#x, %#x", _sys_keyctl_option_str(option), arg2, arg3, arg4, arg5)
landlock_create_ruleset landlock_create_ruleset | attr_uaddr:p size:U flags:X
landlock_add_rule landlock_add_rule | ruleset_fd:d rule_type:u rule_attr_uaddr:p flags:X
landlock_restrict_self landlock_restrict_self | ruleset_fd:d flags:X
lsm_get_self_attr lsm_get_self_attr | attr:u ctx:p size:p flags:X
lsm_set_self_attr lsm_set_self_attr | attr:u ctx:p size:u flags:X
lsm_list_modules lsm_list_modules | ids_uaddr:p size_uaddr:p flags:X
listns listns | req_uaddr:p ns_ids_uaddr:p nr_ns_ids:U flags:X
uprobe uprobe |
uretprobe uretprobe |
""")

GROUPS["memory"] = ("Memory.", r"""
brk brk,2 | brk:x
mmap2 mmap,2 | start:x length:U prot:int(_mprotect_prot_str) flags:int(_mmap_flags) fd:d pgoffset:l
mmap2 mmap_pgoff,2 | start:x length:U prot:int(_mprotect_prot_str) flags:int(_mmap_flags) fd:d pgoffset:l
munmap munmap | start:x length:U
mprotect mprotect | addr:x len:U prot:int(_mprotect_prot_str)
mremap mremap,2 | old_address:x old_size:U new_size:U flags:int(_mremap_flags) new_address:x
remap_file_pages remap_file_pages | start:x size:U prot:int(_mprotect_prot_str) pgoff:U flags:int(_mmap_flags)
madvise madvise | start:x length:U advice:int(_sys_madvise_str)
process_madvise process_madvise | pidfd:d vec_uaddr:p vlen:U advice:int(_sys_madvise_str) flags:X
process_mrelease process_mrelease | pidfd:d flags:X
msync msync | start:x length:U flags:int(_sys_msync_flag_str)
mincore mincore | start:x length:U vec_uaddr:p
mlock mlock | addr:x len:U
mlock2 mlock2 | addr:x len:U flags:int(_sys_mlock2_flag_str)
mlockall mlockall | flags:int(_sys_mlockall_flag_str)
munlock munlock | addr:x len:U
munlockall munlockall |
mseal mseal | start:x length:U flags:X
map_shadow_stack map_shadow_stack,2 | addr:x size:U flags:X
pkey_alloc pkey_alloc | flags:X init_val:int(_sys_pkey_right_str)
pkey_free pkey_free | pkey:d
pkey_mprotect pkey_mprotect | addr:x len:U prot:int(_mprotect_prot_str) pkey:d
memfd_create memfd_create | uname:s flags:int(_sys_memfd_flag_str)
memfd_secret memfd_secret | flags:int(_sys_open_only_flag_str)
membarrier membarrier | cmd:int(_sys_membarrier_cmd_str) flags:X
mbind mbind | start:x len:U mode:int(_sys_mempolicy_mode_str) nmask_uaddr:p maxnode:U flags:int(_sys_mbind_flag_str)
set_mempolicy set_mempolicy | mode:int(_sys_mempolicy_mode_str) nmask_uaddr:p maxnode:U
get_mempolicy get_mempolicy | policy_uaddr:p nmask_uaddr:p maxnode:U addr:x flags:int(_sys_get_mempolicy_flag_str)
set_mempolicy_home_node set_mempolicy_home_node | start:x len:U home_node:U flags:X
migrate_pages migrate_pages | pid:d maxnode:U old_nodes:p new_nodes:p
move_pages move_pages | pid:d nr_pages:U pages:p nodes:p status:p flags:int(_sys_mbind_flag_str)
process_vm_readv process_vm_readv | pid:d local_iov_uaddr:p liovcnt:U remote_iov_uaddr:p riovcnt:U flags:U
process_vm_writev process_vm_writev | pid:d local_iov_uaddr:p liovcnt:U remote_iov_uaddr:p riovcnt:U flags:U
""")

GROUPS["network"] = ("Sockets.", r"""
socket socket | family:int(_sys_sock_family_str) type:int(_sys_sock_type_str) protocol:d | protocol_str = _sys_sock_protocol_str(family, protocol); argstr = sprintf("%s, %s, %s", family_str, type_str, protocol_str)
socketpair socketpair | family:int(_sys_sock_family_str) type:int(_sys_sock_type_str) protocol:d sv_uaddr:p | protocol_str = _sys_sock_protocol_str(family, protocol); argstr = sprintf("%s, %s, %s, %p", family_str, type_str, protocol_str, sv_uaddr)
bind bind | sockfd:d my_addr_uaddr:p addrlen:d | @SOCKADDR(my_addr_uaddr)
connect connect | sockfd:d serv_addr_uaddr:p addrlen:d | @SOCKADDR(serv_addr_uaddr)
listen listen | sockfd:d backlog:d
accept accept | sockfd:d addr_uaddr:p addrlen_uaddr:p
accept4 accept4 | sockfd:d addr_uaddr:p addrlen_uaddr:p flags:int(_sys_sock_flag_str)
getsockname getsockname | s:d name_uaddr:p namelen_uaddr:p
getpeername getpeername | s:d name_uaddr:p namelen_uaddr:p
send send | s:d buf_uaddr:p len:U flags:int(_sys_msg_flag_str) | buf = _sys_buffer_str(buf_uaddr, len); argstr = sprintf("%d, %s, %u, %s", s, buf, len, flags_str)
sendto sendto | s:d buf_uaddr:p len:U flags:int(_sys_msg_flag_str) to_uaddr:p tolen:d | buf = _sys_buffer_str(buf_uaddr, len); to_str = _sys_sockaddr_str(to_uaddr, tolen); argstr = sprintf("%d, %s, %u, %s, %s, %d", s, buf, len, flags_str, to_str, tolen)
sendmsg sendmsg | s:d msg_uaddr:p flags:int(_sys_msg_flag_str)
sendmmsg sendmmsg | s:d mmsg_uaddr:p vlen:u flags:int(_sys_msg_flag_str)
recv recv | s:d buf_uaddr:p len:U flags:int(_sys_msg_flag_str)
recvfrom recvfrom | s:d buf_uaddr:p len:U flags:int(_sys_msg_flag_str) addr_uaddr:p addrlen_uaddr:p
recvmsg recvmsg | s:d msg_uaddr:p flags:int(_sys_msg_flag_str)
recvmmsg recvmmsg | s:d mmsg_uaddr:p vlen:u flags:int(_sys_msg_flag_str) timeout_uaddr/timeout_str:int64(_sys_timespec_str)
shutdown shutdown | s:d how:int(_sys_shutdown_how_str)
getsockopt getsockopt | fd:d level:int(_sys_sock_level_str) optname:d optval_uaddr:p optlen_uaddr:p | optname_str = _sys_sock_option_str(level, optname); argstr = sprintf("%d, %s, %s, %p, %p", fd, level_str, optname_str, optval_uaddr, optlen_uaddr)
setsockopt setsockopt | fd:d level:int(_sys_sock_level_str) optname:d optval_uaddr:p optlen:d | optname_str = _sys_sock_option_str(level, optname); argstr = sprintf("%d, %s, %s, %p, %d", fd, level_str, optname_str, optval_uaddr, optlen)
""")

GROUPS["time"] = ("Clocks and timers.", r"""
time time | t_uaddr:p
stime stime | t_uaddr:p
gettimeofday gettimeofday | tv_uaddr:p tz_uaddr:p
settimeofday settimeofday | tv_uaddr/tv_str:int64(_sys_timeval_str) tz_uaddr/tz_str:int64(_sys_timezone_str)
adjtimex adjtimex | buf_uaddr/buf_str:int64(_sys_timex_str)
clock_adjtime clock_adjtime | clk_id:int(_sys_clock_str) tx_uaddr/tx_uaddr_str:int64(_sys_timex_str)
clock_gettime clock_gettime | clk_id:int(_sys_clock_str) tp_uaddr:p
clock_settime clock_settime | clk_id:int(_sys_clock_str) tp_uaddr/tp_uaddr_str:int64(_sys_timespec_str)
clock_getres clock_getres | clk_id:int(_sys_clock_str) res_uaddr:p
clock_nanosleep clock_nanosleep | clk_id:int(_sys_clock_str) flags:int(_sys_timer_flag_str) req_uaddr/req_str:int64(_sys_timespec_str) rem_uaddr:p
nanosleep nanosleep | req_uaddr/req_str:int64(_sys_timespec_str) rem_uaddr:p
alarm alarm | seconds:u
getitimer getitimer | which:d value_uaddr:p | argstr = sprintf("%s, %p", _sys_itimer_which_str(which), value_uaddr)
setitimer setitimer | which:int(_sys_itimer_which_str) value_uaddr/value_str:int64(_sys_itimerval_str) ovalue_uaddr:p
timer_create timer_create | clockid:int(_sys_clock_str) evp_uaddr:p timerid_uaddr:p
timer_delete timer_delete | timerid:d
timer_getoverrun timer_getoverrun | timerid:d
timer_gettime timer_gettime | timerid:d value_uaddr:p
timer_settime timer_settime | timerid:d flags:d value_uaddr/value_str:int64(_sys_itimerspec_str) ovalue_uaddr:p
timerfd_create timerfd_create | clockid:int(_sys_clock_str) flags:int(_sys_timerfd_flag_str)
timerfd_settime timerfd_settime | fd:d flags:int(_sys_timerfd_settime_flag_str) value_uaddr/value_str:int64(_sys_itimerspec_str) ovalue_uaddr:p
timerfd_gettime timerfd_gettime | fd:d value_uaddr:p
""")

GROUPS["signals"] = ("Signals.", r"""
kill kill | pid:d sig/sig_name:int(_sys_signal_str)
tkill tkill | pid:d sig:int(_sys_signal_str)
tgkill tgkill | tgid:d pid:d sig:int(_sys_signal_str)
pidfd_send_signal pidfd_send_signal | pidfd:d sig:int(_sys_signal_str) uinfo_uaddr/uinfo_str:int64(_sys_siginfo_str) flags:X
signal signal | sig:int(_sys_signal_str) handler/handler_str:int64(_sys_handler_str)
rt_sigaction rt_sigaction | sig:int(_sys_signal_str) act_uaddr/act_str:int64(_sys_sigaction_str) oact_uaddr:p sigsetsize:U
rt_sigprocmask rt_sigprocmask | how:int(_sys_sigprocmask_how_str) set_uaddr/set_str:int64(_sys_sigset_str) oldset_uaddr:p sigsetsize:U
rt_sigpending rt_sigpending | set_uaddr:p sigsetsize:U
rt_sigsuspend rt_sigsuspend | set_uaddr/set_str:int64(_sys_sigset_str) sigsetsize:U
rt_sigtimedwait rt_sigtimedwait | uthese_uaddr/uthese_str:int64(_sys_sigset_str) uinfo_uaddr/uinfo_str:int64(_sys_pointer_str) uts_uaddr/uts_str:int64(_sys_timespec_str) sigsetsize:U
rt_sigqueueinfo rt_sigqueueinfo | pid:d sig/sig_name:int(_sys_signal_str) uinfo_uaddr/siginfo_str:int64(_sys_siginfo_str)
rt_tgsigqueueinfo rt_tgsigqueueinfo | tgid:d tid:d sig:int(_sys_signal_str) uinfo_uaddr/uinfo_str:int64(_sys_siginfo_str)
rt_sigreturn rt_sigreturn |
sigaltstack sigaltstack | uss_uaddr/uss_str:int64(_sys_sigaltstack_str) uoss_uaddr:p
sigpending sigpending | set:p
sigprocmask sigprocmask | how:int(_sys_sigprocmask_how_str) set_uaddr:p oldset_uaddr:p
sigsuspend sigsuspend | -:l! -:l! mask/mask_str:int64(_sys_sigset_mask_str)
sgetmask sgetmask |
ssetmask ssetmask | newmask/newmask_str:int64(_sys_sigset_mask_str)
pause pause |
restart_syscall restart_syscall |
signalfd signalfd | -:d -:p -:U | flags = 0
signalfd=signalfd4 signalfd4 | -:d -:p -:U flags:X | argstr = sprintf("%d, %p, %u, %s", __sys_int(1), __sys_long(2), __sys_long(3), _sys_signalfd_flag_str(flags))
""")

GROUPS["ipc"] = ("Message queues, semaphores and shared memory.", r"""
msgget msgget | key:int(_sys_ipc_key_str) msgflg:int(_sys_ipc_flag_str)
msgsnd msgsnd | msqid:d msgp_uaddr:p msgsz:U msgflg:int(_sys_msgrcv_flag_str)
msgrcv msgrcv | msqid:d msgp_uaddr:p msgsz:U msgtyp:l msgflg:int(_sys_msgrcv_flag_str)
msgctl msgctl | msqid:d cmd:int(_sys_ipc_cmd_str) buf_uaddr:p
semget semget | key:int(_sys_ipc_key_str) nsems:d semflg:int(_sys_ipc_flag_str)
semop semop | semid:d sops_uaddr:p nsops:u
semtimedop semtimedop | semid:d sops_uaddr:p nsops:u timeout_uaddr/timeout_str:int64(_sys_timespec_str)
semctl semctl | semid:d semnum:d cmd/cmdstr:int(_sys_semctl_cmd_str) arg:x
shmget shmget | key:q32 size:U shmflg:int(_sys_shmget_flag_str) | argstr = sprintf("%s, %u, %s", _sys_ipc_key_str(key), size, shmflg_str)
shmat shmat,2 | shmid:d shmaddr_uaddr:p shmflg:int(_sys_shmat_flag_str)
shmctl shmctl | shmid:d cmd:int(_sys_shmctl_cmd_str) buf_uaddr:p
shmdt shmdt | shmaddr_uaddr:p
mq_open mq_open | name_uaddr/filename:su1 oflag:int(_sys_open_flag_str) mode:o u_attr_uaddr:p | argstr = _sys_has_mode(oflag) ? sprintf("%s, %s, %#o, %p", filename, oflag_str, mode, u_attr_uaddr) : sprintf("%s, %s", filename, oflag_str)
mq_unlink mq_unlink | u_name_uaddr/u_name:su
mq_timedsend mq_timedsend | mqdes:d msg_ptr_uaddr:p msg_len:U msg_prio:u abs_timeout_uaddr:p | argstr = sprintf("%d, %p, %u, %u, %s", mqdes, msg_ptr_uaddr, msg_len, msg_prio, _sys_timespec_str(abs_timeout_uaddr))
mq_timedreceive mq_timedreceive | mqdes:d msg_ptr_uaddr:p msg_len:U msg_prio_uaddr:p abs_timeout_uaddr:p | argstr = sprintf("%d, %p, %u, %p, %s", mqdes, msg_ptr_uaddr, msg_len, msg_prio_uaddr, _sys_timespec_str(abs_timeout_uaddr))
mq_notify mq_notify | mqdes:d notification_uaddr:p
mq_getsetattr mq_getsetattr | mqdes:d u_mqstat_uaddr:p u_omqstat_uaddr:p
""")

GROUPS["system"] = ("The system as a whole: modules, names, log, reboot.", r"""
uname newuname | name_uaddr:p
sethostname sethostname | hostname_uaddr/name_str:su len:d
gethostname gethostname | hostname_uaddr:p len:d
setdomainname setdomainname | domainname_uaddr/domainname_str:su len:d
sysinfo sysinfo | info_uaddr/info_str:int64(_sys_pointer_str)
syslog syslog | type:d bufp_uaddr:p len:d
sysctl sysctl | args:p
getrandom getrandom | -:p! count:U flags:int(_sys_getrandom_flag_str) | buf = _sys_pointer_str(__sys_long(1)); buf_unquoted = buf; argstr = sprintf("%s, %u, %s", buf, count, flags_str)
init_module init_module | umod_uaddr:p len:U uargs:s
finit_module finit_module | fd:d uargs:s flags:int(_sys_finit_module_flag_str)
delete_module delete_module | name_user:s flags:int(_sys_open_only_flag_str)
kexec_load kexec_load | entry:x nr_segments:U segments_uaddr:p flags:int64(_sys_kexec_flag_str)
kexec_file_load kexec_file_load | kernel_fd:d initrd_fd:d cmdline_len:U cmdline:s flags:int64(_sys_kexec_file_flag_str)
reboot reboot | magic:int(_sys_reboot_magic_str) magic2:int(_sys_reboot_magic_str) flag:int(_sys_reboot_flag_str) arg_uaddr:p
vhangup vhangup |
ni_syscall ni_syscall |
""")

# Orders of variables that scripts and `-L` know, where it is not that of the arguments.
ORDERS = {line.split()[0]: line.split()[1:] for line in """
accept sockfd addr_uaddr addrlen_uaddr name argstr
accept4 sockfd addr_uaddr addrlen_uaddr flags name flags_str argstr
bind sockfd my_addr_uaddr addrlen name uaddr_af uaddr_ip uaddr_ip_port uaddr_ipv6_flowinfo uaddr_ipv6_scope_id argstr
clock_nanosleep name clk_id clk_id_str flags flags_str req_uaddr rem_uaddr req_str argstr
connect sockfd serv_addr_uaddr addrlen name uaddr_af uaddr_ip uaddr_ip_port uaddr_ipv6_flowinfo uaddr_ipv6_scope_id argstr
epoll_create size flags name argstr
execveat name dirfd dirfd_str filename args env_str flags flags_str argstr
fanotify_mark fanotify_fd flags mask dirfd pathname pathname_unquoted name flags_str mask_str dirfd_str argstr
fsetxattr name filedes name_uaddr name_str name_str_unquoted value_uaddr size value_str flags flags_str argstr
getpeername s name_uaddr namelen_uaddr name argstr
getrandom name buf buf_unquoted count flags flags_str argstr
getsockname s name_uaddr namelen_uaddr name argstr
getsockopt fd level optname optval_uaddr optlen_uaddr name level_str optname_str argstr
inotify_add_watch name fd mask mask_str path_uaddr path path_unquoted argstr
listen sockfd backlog name argstr
lsetxattr name path_uaddr path path_unquoted name_uaddr name_str name_str_unquoted value_uaddr size value_str flags flags_str argstr
mq_open name_uaddr filename u_attr_uaddr oflag oflag_str mode argstr name
mq_timedreceive msg_len name mqdes msg_ptr_uaddr msg_prio_uaddr abs_timeout_uaddr argstr
mq_timedsend msg_len name mqdes msg_ptr_uaddr msg_prio abs_timeout_uaddr argstr
msgget key key_str msgflg msgflg_str name argstr
nanosleep name req_uaddr rem_uaddr req_str argstr
open filename flags mode flags_str argstr name
pipe name flags flag_str fildes_uaddr pipe0 pipe1 argstr
pread offset name fd buf_uaddr count argstr
preadv fd vector_uaddr count offset argstr name
preadv2 fd vector_uaddr count offset flags flags_str argstr name
pselect6 name nfds readfds writefds exceptfds timeout sigmask timeout_str argstr
pwrite name fd buf_uaddr count buf_str offset argstr
pwritev fd vector_uaddr count offset argstr name
pwritev2 fd vector_uaddr count offset flags flags_str argstr name
readv name vector_uaddr count fd argstr
recv s buf_uaddr len flags name flags_str argstr
recvfrom s buf_uaddr len flags addr_uaddr addrlen_uaddr name flags_str argstr
recvmsg s msg_uaddr flags name flags_str argstr
rt_sigprocmask name how how_str set_uaddr oldset_uaddr set_str sigsetsize argstr
rt_sigsuspend name set_uaddr sigsetsize set_str argstr
rt_sigtimedwait sigsetsize name uthese_uaddr uinfo_uaddr uts_uaddr uthese_str uinfo_str uts_str argstr
semget key key_str nsems semflg semflg_str name argstr
semop semid sops_uaddr nsops name argstr
send s buf_uaddr len flags name flags_str buf argstr
sendmmsg s mmsg_uaddr vlen flags name flags_str argstr
sendmsg s msg_uaddr flags name flags_str argstr
sendto s buf_uaddr len flags to_uaddr tolen name flags_str buf to_str argstr
setitimer name which which_str value_uaddr ovalue_uaddr value_str argstr
setsockopt fd level optname optval_uaddr optlen name level_str optname_str argstr
settimeofday name tv_uaddr tz_uaddr tz_str tv_str argstr
setxattr name path_uaddr path path_unquoted name_uaddr name_str name_str_unquoted value_uaddr size value_str flags flags_str argstr
shmdt shmaddr_uaddr name argstr
shmget key size shmflg shmflg_str name argstr
shutdown s how name how_str argstr
signalfd flags name argstr
socket family type protocol name family_str type_str protocol_str argstr
socketpair family type protocol sv_uaddr name family_str type_str protocol_str argstr
timer_settime timerid flags value_uaddr ovalue_uaddr value_str argstr name
truncate path_uaddr path path_unquoted length name argstr
umount target target_unquoted flags flags_str argstr name
utimensat name dfd dfd_str filename_uaddr filename filename_unquoted tsp_uaddr flags flags_str tsp_str argstr
writev name vector_uaddr count fd argstr
""".strip().splitlines()}
