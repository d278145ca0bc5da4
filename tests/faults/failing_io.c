/* For LD_PRELOAD: makes one call for a file fail. fail_at(k, error) lets the k-th call from now (from
   0) of open, write, fsync, rename and chmod set errno to `error`; a write that fails with ENOSPC or
   EIO has written half of its bytes. stop() ends that and returns how many calls there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/types.h>
#include <unistd.h>

static volatile long count = 0, failing = -1;
static volatile int number = 0;

void fail_at(long k, int error) {
  count = 0;
  number = error;
  failing = k;
}

long stop(void) {
  failing = -1;
  return count;
}

static int fails(void) {
  if (failing < 0) return 0;
  if (__sync_fetch_and_add(&count, 1) != failing) return 0;
  errno = number;
  return 1;
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void *data, size_t n) {
  if (fails()) {
    if (number != EINTR && n > 1) REAL(write)(file, data, n / 2);
    errno = number;
    return -1;
  }
  return REAL(write)(file, data, n);
}

int fsync(int file) { return fails() ? -1 : REAL(fsync)(file); }
int rename(const char *from, const char *to) { return fails() ? -1 : REAL(rename)(from, to); }
int chmod(const char *path, mode_t mode) { return fails() ? -1 : REAL(chmod)(path, mode); }

static int opened(const char *name, const char *path, int flags, mode_t mode) {
  int (*real)(const char *, int, ...) = dlsym(RTLD_NEXT, name);
  return (flags & (O_WRONLY | O_RDWR)) && fails() ? -1 : real(path, flags, mode);
}

#define OPEN(name)                          \
  int name(const char *path, int flags, ...) { \
    va_list more;                           \
    va_start(more, flags);                  \
    mode_t mode = va_arg(more, mode_t);     \
    va_end(more);                           \
    return opened(#name, path, flags, mode); \
  }

OPEN(open)
OPEN(open64)
