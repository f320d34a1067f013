/* Counts the calls that change files below a folder, and lets one of them go wrong.
 *
 * Loaded by LD_PRELOAD, so that it sees Python, TensorFlow and Rust alike. It does
 * nothing until these variables are set, which a process may do at any time:
 *
 *   FAULT_ROOT    the folder
 *   FAULT_STATE   a file of 8 bytes: how many calls all processes have made
 *   FAULT_LOG     gets a line for the call that goes wrong: number, call, path
 *   FAULT_AT      which call goes wrong; 0: none
 *   FAULT_KIND    kill    SIGKILL, before the call, to the whole process group
 *                 torn    the same after half of this write, or of the next if it is none
 *                 EIO     the call fails, once
 *                 ENOSPC  it fails, and so does all writing after it
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

enum { FINE = 0, HALF = -1 };

static _Atomic long *counter(void) {
  static _Atomic(_Atomic long *) shared;
  if (!shared) {
    const char *path = getenv("FAULT_STATE");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0) : -1;
    if (fd < 0) return NULL;
    void *map = mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (map == MAP_FAILED) return NULL;
    shared = map;
  }
  return shared;
}

static void note(long number, const char *call, const char *path) {
  const char *log = getenv("FAULT_LOG");
  char line[PATH_MAX + 64];
  int size = snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
  int fd = log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT, 0600)
               : -1;
  if (fd < 0 || size < 0) return;
  if (syscall(SYS_write, fd, line, (size_t)size) < 0) return;
  syscall(SYS_close, fd);
}

static void end(void) {
  kill(0, SIGKILL);
  for (;;) pause();
}

/* What a call does: it changes names, needs room on the disk, or writes data. */
enum { NAMES, ROOM, DATA };

/* Returns FINE, HALF, or the errno of a call that is about to change `path`. */
static int fault(const char *call, const char *path, int does) {
  const char *root = getenv("FAULT_ROOT");
  if (!root || !path) return FINE;
  char whole[PATH_MAX];
  if (path[0] != '/') {
    char here[PATH_MAX];
    if (!getcwd(here, sizeof here)) return FINE;
    if (snprintf(whole, sizeof whole, "%s/%s", here, path) >= (int)sizeof whole) return FINE;
    path = whole;
  }
  size_t length = strlen(root);
  if (strncmp(path, root, length) || (path[length] != '/' && path[length])) return FINE;
  _Atomic long *made = counter();
  if (!made) return FINE;
  long number = atomic_fetch_add(made, 1) + 1;
  const char *at_text = getenv("FAULT_AT"), *kind = getenv("FAULT_KIND");
  long at = at_text ? atol(at_text) : 0;
  if (!at || !kind || number < at) return FINE;
  if (!strcmp(kind, "torn")) {
    if (does != DATA) return FINE;
    note(number, call, path);
    return HALF;
  }
  int is_full = !strcmp(kind, "ENOSPC");
  if (number > at) return is_full && does != NAMES ? ENOSPC : FINE;
  note(number, call, path);
  if (is_full) return ENOSPC;
  if (!strcmp(kind, "EIO")) return EIO;
  end();
  return FINE;
}

static int fault_of(const char *call, int fd, int does) {
  if (!getenv("FAULT_ROOT")) return FINE;
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t size = readlink(link, path, sizeof path - 1);
  if (size <= 0) return FINE;
  path[size] = 0;
  return fault(call, path, does);
}

static const char *at(int folder, const char *path, char *made) {
  if (!path || path[0] == '/' || folder == AT_FDCWD) return path;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
  ssize_t size = readlink(link, made, PATH_MAX - 1);
  if (size <= 0) return NULL;
  snprintf(made + size, PATH_MAX - (size_t)size, "/%s", path);
  return made;
}

#define FAIL(code, value)  \
  do {                     \
    int found = (code);    \
    if (found > 0) {       \
      errno = found;       \
      return (value);      \
    }                      \
  } while (0)

#define IS_NEW(flags) ((flags) & (O_CREAT | O_TRUNC))

#define OPEN(name)                                            \
  int name(const char *path, int flags, ...) {                \
    va_list more;                                             \
    va_start(more, flags);                                    \
    mode_t mode = IS_NEW(flags) ? va_arg(more, mode_t) : 0;   \
    va_end(more);                                             \
    if (IS_NEW(flags)) FAIL(fault("open", path, ROOM), -1);      \
    return NEXT(name)(path, flags, mode);                     \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                     \
  int name(int folder, const char *path, int flags, ...) {               \
    va_list more;                                                        \
    va_start(more, flags);                                               \
    mode_t mode = IS_NEW(flags) ? va_arg(more, mode_t) : 0;              \
    va_end(more);                                                        \
    char made[PATH_MAX];                                                 \
    if (IS_NEW(flags)) FAIL(fault("open", at(folder, path, made), ROOM), -1); \
    return NEXT(name)(folder, path, flags, mode);                        \
  }
OPENAT(openat)
OPENAT(openat64)

#define FOPEN(name)                                                    \
  FILE *name(const char *path, const char *mode) {                     \
    if (mode[0] == 'w') FAIL(fault("open", path, ROOM), NULL);            \
    return NEXT(name)(path, mode);                                     \
  }
FOPEN(fopen)
FOPEN(fopen64)

ssize_t write(int fd, const void *data, size_t size) {
  int code = fault_of("write", fd, DATA);
  if (code == HALF) {
    NEXT(write)(fd, data, size / 2);
    end();
  }
  FAIL(code, -1);
  return NEXT(write)(fd, data, size);
}

#define PWRITE(name, type)                                           \
  ssize_t name(int fd, const void *data, size_t size, type place) {  \
    int code = fault_of("write", fd, DATA);                             \
    if (code == HALF) {                                              \
      NEXT(name)(fd, data, size / 2, place);                         \
      end();                                                         \
    }                                                                \
    FAIL(code, -1);                                                  \
    return NEXT(name)(fd, data, size, place);                        \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int number) {
  int code = fault_of("write", fd, DATA);
  if (code == HALF) {
    NEXT(writev)(fd, parts, number / 2);
    end();
  }
  FAIL(code, -1);
  return NEXT(writev)(fd, parts, number);
}

size_t fwrite(const void *data, size_t size, size_t number, FILE *file) {
  int code = fault_of("write", fileno(file), DATA);
  if (code == HALF) {
    NEXT(fwrite)(data, size, number / 2, file);
    fflush(file);
    end();
  }
  FAIL(code, 0);
  return NEXT(fwrite)(data, size, number, file);
}

ssize_t sendfile(int out, int in, off_t *place, size_t size) {
  FAIL(fault_of("write", out, ROOM), -1);
  return NEXT(sendfile)(out, in, place, size);
}
ssize_t sendfile64(int out, int in, off64_t *place, size_t size) {
  FAIL(fault_of("write", out, ROOM), -1);
  return NEXT(sendfile64)(out, in, place, size);
}

int fsync(int fd) {
  FAIL(fault_of("fsync", fd, NAMES), -1);
  return NEXT(fsync)(fd);
}
int ftruncate(int fd, off_t size) {
  FAIL(fault_of("truncate", fd, NAMES), -1);
  return NEXT(ftruncate)(fd, size);
}
int ftruncate64(int fd, off64_t size) {
  FAIL(fault_of("truncate", fd, NAMES), -1);
  return NEXT(ftruncate64)(fd, size);
}

int rename(const char *source, const char *target) {
  FAIL(fault("rename", target, NAMES), -1);
  return NEXT(rename)(source, target);
}
int renameat(int from, const char *source, int to, const char *target) {
  char made[PATH_MAX];
  FAIL(fault("rename", at(to, target, made), NAMES), -1);
  return NEXT(renameat)(from, source, to, target);
}
int unlink(const char *path) {
  FAIL(fault("unlink", path, NAMES), -1);
  return NEXT(unlink)(path);
}
int unlinkat(int folder, const char *path, int flags) {
  char made[PATH_MAX];
  FAIL(fault("unlink", at(folder, path, made), NAMES), -1);
  return NEXT(unlinkat)(folder, path, flags);
}
int rmdir(const char *path) {
  FAIL(fault("rmdir", path, NAMES), -1);
  return NEXT(rmdir)(path);
}
int mkdir(const char *path, mode_t mode) {
  FAIL(fault("mkdir", path, ROOM), -1);
  return NEXT(mkdir)(path, mode);
}
